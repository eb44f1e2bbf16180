using NativeFfn.Load.Reporting;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>A long run at the full load, to see whether memory stays where it is.</summary>
internal static class SoakScenario
{
    // Buffers and heaps breathe; a leak of a hundredth of the bytes that pass would be far more in the shortest soak.
    private const double AllowedGrowthMegabytes = 16;

    public static async Task<bool> RunAsync(LoadPlan plan, string model, RequestSet requests)
    {
        Text.Heading($"{plan.Clients} clients for {plan.Soak} s");
        await using ServerProcess server = await ServerProcess.StartAsync(plan, model);
        await using var watch = new MemoryWatch(server);
        LoadStatistics statistics = await ClosedLoop.RunAsync(server.Port, requests, plan.Clients, TimeSpan.FromSeconds(plan.Soak));
        Text.Statistics(statistics);
        Text.Line("memory", watch.Report());
        Text.Line("growth", $"{watch.GrowthMegabytes:+0.0;-0.0} MB from the first settled half to the second");
        bool good = statistics.IsClean && watch.GrowthMegabytes <= AllowedGrowthMegabytes;
        Text.Verdict(good, "memory is flat");
        return good;
    }
}
