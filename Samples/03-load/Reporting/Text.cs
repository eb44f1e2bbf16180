using NativeFfn.Load.Scenarios;
using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Reporting;

/// <summary>The report, line by line.</summary>
internal static class Text
{
    public static void Heading(string text) => Console.WriteLine($"{Environment.NewLine}=== {text}");

    public static void Line(string name, string value) => Console.WriteLine($"  {name,-26} {value}");

    public static void Verdict(bool good, string claim) => Console.WriteLine($"  {(good ? "yes" : "NO"),-26} {claim}");

    public static void Tally(Tally tally)
    {
        Line("tokens/s", $"{tally.TokensPerSecond:0} ({tally.Answers} answers, {tally.Tokens} tokens in {tally.Elapsed.TotalSeconds:0.0} s)");
        Line("latency ms", $"p50 {tally.Latency(0.5):0.0}, p95 {tally.Latency(0.95):0.0}, p99 {tally.Latency(0.99):0.0}, most {tally.Latency(1):0.0}");
        Line("failed, wrong", $"{tally.Failed}, {tally.Wrong}{(tally.FirstFailure is { } first ? $" (first: {first})" : string.Empty)}");
    }

    public static void Steady(SteadyResult result)
    {
        Tally(result.Tally);
        Figures(result.Figures, result.Tally);
        Line("memory", result.Memory);
    }

    public static void Figures(ServerFigures server, Tally tally)
    {
        Histogram batch = server.BatchTokens;
        Line("batches", $"{batch.Count:0}, {batch.Mean:0.0} tokens on average, half of them at most {batch.Within(0.5):0}");
        Line("queue time ms", $"mean {server.QueueSeconds.Mean * 1000:0.0}, 95% within {server.QueueSeconds.Within(0.95) * 1000:0}");
        Line("execute time ms", $"mean {server.ExecuteSeconds.Mean * 1000:0.00}, {server.ExecuteSeconds.Sum / tally.Elapsed.TotalSeconds:0%} of the time");
        Line("processor time", $"server {PerSecond(server.ServerProcessorTime)}, load generator {PerSecond(server.OwnProcessorTime)} of {Environment.ProcessorCount} processors");
        Line("allocated", $"{server.AllocatedBytes / Math.Max(1, tally.Answers + tally.TurnedAway):0} bytes for each request, by the server as a whole");
        string PerSecond(TimeSpan time) => $"{time / tally.Elapsed:0.00}";
    }
}
