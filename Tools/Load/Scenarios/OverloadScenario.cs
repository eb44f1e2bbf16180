using System.Diagnostics;
using NativeFfn.Load.Reporting;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>More than the server can do: who is turned away, how long the others wait, and how soon it is over.</summary>
internal static class OverloadScenario
{
    // Unloaded: one client, one request at a time.
    private static readonly TimeSpan Unloaded = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan RecoveryBound = TimeSpan.FromSeconds(1);

    /// <summary>Runs it.</summary>
    /// <param name="plan">Factor and length.</param>
    /// <param name="model">The checkpoint.</param>
    /// <param name="requests">What is sent.</param>
    /// <param name="steady">The sustainable load, as measured before.</param>
    /// <param name="seconds">How long.</param>
    /// <returns>Whether everything was as promised.</returns>
    public static async Task<bool> RunAsync(LoadPlan plan, string model, RequestSet requests, SteadyResult steady, int seconds)
    {
        double rate = plan.Overload * steady.Statistics.TokensPerSecond;
        var queueTime = TimeSpan.FromSeconds(plan.QueueTokens / steady.Statistics.TokensPerSecond);
        Text.Heading(
            $"{plan.Overload} x the sustainable load: {rate:0} tokens/s offered for {seconds} s; QueueCapacityTime " +
            $"{queueTime.TotalMilliseconds:0} ms");
        await using ServerProcess server = await ServerProcess.StartAsync(plan, model, queueTime: queueTime);
        _ = await ClosedLoop.RunAsync(server.Port, requests, plan.Clients, Unloaded);
        LoadStatistics alone = await ClosedLoop.RunAsync(server.Port, requests, 1, Unloaded);

        await using var watch = new ProcessWatch(server);
        ((LoadStatistics statistics, TimeSpan recovery), ServerFigures figures) = await ServerFigures.OfAsync(server, async () =>
        {
            LoadStatistics offered = await OpenLoop.RunAsync(server.Port, requests, rate, TimeSpan.FromSeconds(seconds));
            return (offered, await RecoverAsync(server, requests, alone));
        });

        double batch = steady.Figures.ExecuteSeconds.Mean * 1000;
        double queue = queueTime.TotalMilliseconds;
        double bound = (3 * batch) + queue;
        Text.Statistics(statistics);
        Text.Figures(figures, statistics);
        Text.Line(
            "sent late ms",
            $"p50 {statistics.Lateness(0.5):0.0}, p99 {statistics.Lateness(0.99):0.0}: the generator's own delay, in no latency");
        Text.Line(
            "turned away",
            $"{statistics.TurnedAway}, each 429 with Retry-After " +
            $"({(double)statistics.TurnedAway / (statistics.TurnedAway + statistics.Answers):0%})");
        Text.Line(
            "p99 of the accepted",
            $"{statistics.Latency(0.99):0.0} ms; 3 x batch ({batch:0.0} ms) + queue ({queue:0.0} ms) = {bound:0.0} ms");
        Text.Line("memory MB", watch.Report(static now => now.Megabytes));
        Text.Line("back to unloaded latency", $"{recovery.TotalMilliseconds:0} ms after the last answer");
        bool good = statistics.IsClean && statistics.TurnedAway > 0 && statistics.Latency(0.99) <= bound && recovery <= RecoveryBound;
        Text.Verdict(good, "429s only, p99 within its bound, recovered within a second");
        return good;
    }

    // Recovered: a request takes no longer than the slowest of an idle server, or twice its median.
    private static async Task<TimeSpan> RecoverAsync(ServerProcess server, RequestSet requests, LoadStatistics alone)
    {
        double usual = Math.Max(alone.Latency(1), 2 * alone.Latency(0.5));
        using HttpConnection connection = await HttpConnection.OpenAsync(server.Port);
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            long sent = Stopwatch.GetTimestamp();
            Answer answer = await connection.SendAsync(requests.Requests[^1].Bytes);
            TimeSpan took = Stopwatch.GetElapsedTime(sent);
            if ((answer.Status == 200 && took.TotalMilliseconds <= usual) || Stopwatch.GetElapsedTime(start) > 10 * RecoveryBound)
            {
                return Stopwatch.GetElapsedTime(start);
            }
        }
    }
}
