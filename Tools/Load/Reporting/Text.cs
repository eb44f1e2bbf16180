using NativeFfn.Load.Scenarios;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Reporting;

/// <summary>The report, line by line.</summary>
internal static class Text
{
    public static void Heading(string text) => Console.WriteLine($"{Environment.NewLine}=== {text}");

    public static void Line(string name, string value) => Console.WriteLine($"  {name,-26} {value}");

    public static void Verdict(bool good, string claim) => Console.WriteLine($"  {(good ? "yes" : "NO"),-26} {claim}");

    /// <summary>Writes a verdict and gives it on.</summary>
    public static bool Judge(bool good, string claim)
    {
        Verdict(good, claim);
        return good;
    }

    public static void Statistics(LoadStatistics statistics)
    {
        Line(
            "tokens/s",
            $"{statistics.TokensPerSecond:0} ({statistics.Answers} answers, {statistics.Tokens} tokens in " +
            $"{statistics.Elapsed.TotalSeconds:0.0} s)");
        Line(
            "latency ms",
            $"p50 {statistics.Latency(0.5):0.0}, p95 {statistics.Latency(0.95):0.0}, p99 {statistics.Latency(0.99):0.0}, most " +
            $"{statistics.Latency(1):0.0}");
        Line(
            "failed, wrong",
            $"{statistics.Failed}, {statistics.Wrong}{(statistics.FirstFailure is { } first ? $" (first: {first})" : string.Empty)}");
    }

    public static void Steady(SteadyResult result)
    {
        Statistics(result.Statistics);
        Figures(result.Figures, result.Statistics);
        Line("memory MB", result.Memory);
    }

    public static void Figures(ServerFigures server, LoadStatistics statistics)
    {
        Histogram batch = server.BatchTokens;
        Line("batches", $"{batch.Count:0}, {batch.Mean:0.0} tokens on average, half of them at most {batch.Within(0.5):0}");
        Line("queue time ms", $"mean {server.QueueSeconds.Mean * 1000:0.0}, 95% within {server.QueueSeconds.Within(0.95) * 1000:0}");
        Line(
            "execute time ms",
            $"mean {server.ExecuteSeconds.Mean * 1000:0.00}, {server.ExecuteSeconds.Sum / statistics.Elapsed.TotalSeconds:0%} of the time");
        Line(
            "processor time",
            $"server {PerSecond(server.ServerProcessorTime)}, load generator {PerSecond(server.OwnProcessorTime)} of " +
            $"{Environment.ProcessorCount} processors");
        Line(
            "allocated",
            $"{server.AllocatedBytes / Math.Max(1, statistics.Answers + statistics.TurnedAway):0} bytes for each request, by the server " +
            "as a whole");
        string PerSecond(TimeSpan time) => $"{time / statistics.Elapsed:0.00}";
    }
}
