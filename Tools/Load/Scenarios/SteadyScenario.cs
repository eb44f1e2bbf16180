using System.Globalization;
using NativeFfn.Load.Reporting;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>Clients that keep the server busy: what it does in a second, beside what the layer alone would do.</summary>
internal static class SteadyScenario
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);

    /// <summary>Measures one server.</summary>
    public static async Task<SteadyResult> RunAsync(LoadPlan plan, string model, RequestSet requests, bool batching)
    {
        await using ServerProcess server = await ServerProcess.StartAsync(plan, model, batching);
        _ = await ClosedLoop.RunAsync(server.Port, requests, plan.Clients, WarmUp);
        await using var watch = new ProcessWatch(server);
        (LoadStatistics statistics, ServerFigures figures) = await ServerFigures.OfAsync(
            server, () => ClosedLoop.RunAsync(server.Port, requests, plan.Clients, TimeSpan.FromSeconds(plan.Seconds)));
        return new SteadyResult(statistics, figures, watch.Report(static now => now.Megabytes));
    }

    /// <summary>The rate of the layer alone at the batch size that the server ran.</summary>
    public static async Task<double> ShareOfBenchAsync(LoadPlan plan, SteadyResult result)
    {
        int tokens = Math.Max(1, (int)Math.Round(result.Figures.BatchTokens.Mean));
        double milliseconds = await Bench.MillisecondsAsync(plan, tokens);
        double alone = tokens / milliseconds * 1000;
        Text.Line("bench at that size", string.Create(
            CultureInfo.InvariantCulture, $"{milliseconds:0.00} ms for {tokens} tokens, {alone:0} tokens/s"));
        return result.Statistics.TokensPerSecond / alone;
    }
}

/// <summary>What one server did.</summary>
internal sealed record SteadyResult(LoadStatistics Statistics, ServerFigures Figures, string Memory);
