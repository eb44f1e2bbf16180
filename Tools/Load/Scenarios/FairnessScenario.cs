using NativeFfn.Load.Reporting;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>
/// Two models of one server, one of them flooded: how long the other's clients wait, beside when they have the server alone.
/// </summary>
internal static class FairnessScenario
{
    private const string Other = "other";

    // Of the model that is not flooded: each sends one request after the other.
    private const int Clients = 8;

    // Alone and beside the flood in turns, so that the noise of a shared machine falls on both.
    private const int Rounds = 5;

    // Two models share the time in halves.
    private const double MostOfQuiet = 2;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);

    /// <summary>Runs it.</summary>
    /// <param name="plan">How many clients flood, and how long all rounds take together, once alone and once beside the flood.</param>
    /// <param name="model">The checkpoint, served under two names.</param>
    /// <param name="flood">What the flood sends.</param>
    /// <returns>Whether everything was as promised.</returns>
    public static async Task<bool> RunAsync(LoadPlan plan, string model, RequestSet flood)
    {
        Text.Heading($"{Clients} clients of one model, alone and beside {plan.Clients} of another");
        LoadPlan both = plan with { ServerArguments = [$"--NativeFfn:Models:{Other}:Path={model}", .. plan.ServerArguments] };
        await using ServerProcess server = await ServerProcess.StartAsync(both, model);
        RequestSet requests = RequestSet.Create(plan, model, name: Other);
        _ = await FloodedAsync(server, requests, flood, plan.Clients, WarmUp);
        TimeSpan length = TimeSpan.FromSeconds(plan.Seconds) / Rounds;
        List<LoadStatistics> alone = [];
        List<LoadStatistics> beside = [];
        List<LoadStatistics> floods = [];
        for (int round = 0; round < Rounds; round++)
        {
            alone.Add(await ClosedLoop.RunAsync(server.Port, requests, Clients, length));
            (LoadStatistics others, LoadStatistics flooding) = await FloodedAsync(server, requests, flood, plan.Clients, length);
            beside.Add(others);
            floods.Add(flooding);
        }

        LoadStatistics quiet = Sum("alone", alone);
        LoadStatistics shared = Sum("beside the flood", beside);
        LoadStatistics flooded = Sum("the flood", floods);
        double ratio = shared.Latency(0.99) / quiet.Latency(0.99);
        Text.Line("p99 beside it / alone", $"{ratio:0.00}");
        return Text.Judge(quiet.IsClean && shared.IsClean && flooded.IsClean, "every answer came and was right")
            & Text.Judge(ratio <= MostOfQuiet, $"the flood at most {MostOfQuiet} x the other model's p99");
    }

    private static async Task<(LoadStatistics Others, LoadStatistics Flood)> FloodedAsync(
        ServerProcess server, RequestSet requests, RequestSet flood, int clients, TimeSpan length)
    {
        using var end = new CancellationTokenSource();
        Task<LoadStatistics> flooding = ClosedLoop.RunAsync(server.Port, flood, clients, end.Token);
        LoadStatistics others = await ClosedLoop.RunAsync(server.Port, requests, Clients, length);
        await end.CancelAsync();
        return (others, await flooding);
    }

    private static LoadStatistics Sum(string name, List<LoadStatistics> rounds)
    {
        var elapsed = new TimeSpan(rounds.Sum(static round => round.Elapsed.Ticks));
        LoadStatistics sum = LoadStatistics.Sum(rounds, elapsed);
        Text.Line(name, string.Empty);
        Text.Statistics(sum);
        return sum;
    }
}
