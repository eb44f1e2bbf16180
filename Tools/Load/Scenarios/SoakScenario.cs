using NativeFfn.Load.Reporting;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>A long run at the full load, with faults in between on request, to see whether the server comes to hold ever more.</summary>
internal static class SoakScenario
{
    private const string Key = "a-key-for-this-soak-only";
    private const string KeyHeader = "X-Api-Key: " + Key + "\r\n";

    // Buffers and heaps breathe; a leak of a hundredth of the bytes that pass would be far more in the shortest soak.
    private const double AllowedMegabytes = 16;

    // Connections come and go with the faults, and the pool of threads breathes; one kept at each fault would be hundreds.
    private const double AllowedHandles = 8;
    private const double AllowedThreads = 4;

    private static readonly TimeSpan BetweenFaults = TimeSpan.FromMilliseconds(100);

    public static async Task<bool> RunAsync(LoadPlan plan, string model)
    {
        Text.Heading($"{plan.Clients} clients for {plan.Soak} s{(plan.Faults ? ", with faults" : string.Empty)}");
        RequestSet requests = RequestSet.Create(plan, model, KeyHeader);
        await using ServerProcess server = await ServerProcess.StartAsync(plan, model, key: Key);
        await using var watch = new ProcessWatch(server);
        using var end = new CancellationTokenSource(TimeSpan.FromSeconds(plan.Soak));
        Task<bool> faults = plan.Faults ? CommitAsync(server, Fault.All(requests, KeyHeader), end.Token) : Task.FromResult(true);
        LoadStatistics statistics = await ClosedLoop.RunAsync(server.Port, requests, plan.Clients, end.Token);
        Text.Statistics(statistics);
        bool good = await faults;
        good &= IsFlat(watch, "memory MB", AllowedMegabytes, static now => now.Megabytes);
        good &= IsFlat(watch, "handles", AllowedHandles, static now => now.Handles);
        good &= IsFlat(watch, "threads", AllowedThreads, static now => now.Threads);
        good &= statistics is { IsClean: true, Stopped: 0, TurnedAway: 0, Answers: > 0 };
        Text.Verdict(good, "every answer came and was right, and memory, handles and threads are flat");
        return good;
    }

    // One after the other, over and over, until the end.
    private static async Task<bool> CommitAsync(ServerProcess server, Fault[] faults, CancellationToken end)
    {
        long committed = 0;
        long misjudged = 0;
        string first = string.Empty;
        while (!end.IsCancellationRequested)
        {
            Fault fault = faults[committed++ % faults.Length];
            string? problem = await fault.TryAsync(server.Port);
            if (problem is not null && misjudged++ == 0)
            {
                first = $" (first: {fault.Name}: {problem})";
            }

            await Task.Delay(BetweenFaults, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        Text.Line("faults, misjudged", $"{committed}, {misjudged}{first}");
        return misjudged == 0;
    }

    private static bool IsFlat(ProcessWatch watch, string name, double allowed, Func<ProcessFigures, double> figure)
    {
        double growth = watch.Growth(figure);
        Text.Line(name, $"{watch.Report(figure)}; {growth:+0.0;-0.0;0} from the first settled half to the second");
        return growth <= allowed;
    }
}
