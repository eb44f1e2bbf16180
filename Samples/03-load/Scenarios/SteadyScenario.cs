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
        Metrics before = await server.ReadMetricsAsync();
        TimeSpan processorBefore = server.ProcessorTime;
        TimeSpan ownBefore = Environment.CpuUsage.TotalTime;
        Tally tally;
        string memory;
        await using (var watch = new MemoryWatch(server))
        {
            tally = await ClosedLoop.RunAsync(server.Port, requests, plan.Clients, TimeSpan.FromSeconds(plan.Seconds));
            memory = watch.Report();
        }

        TimeSpan processor = server.ProcessorTime - processorBefore;
        TimeSpan own = Environment.CpuUsage.TotalTime - ownBefore;
        await Task.Delay(Metrics.CacheTime);
        Metrics after = await server.ReadMetricsAsync();
        return new SteadyResult(
            batching,
            tally,
            after.Histogram("nativeffn_batch_tokens", before),
            after.Histogram("nativeffn_queue_time_seconds", before),
            after.Histogram("nativeffn_execute_time_seconds", before),
            (after.Sum(AllocatedBytes) - before.Sum(AllocatedBytes)) / Math.Max(1, tally.Answers),
            processor,
            own,
            memory);
    }

    /// <summary>The rate of the layer alone at the batch size that the server ran.</summary>
    public static async Task<double> ShareOfBenchAsync(LoadPlan plan, SteadyResult result)
    {
        int tokens = Math.Max(1, (int)Math.Round(result.BatchTokens.Mean));
        double milliseconds = await Bench.MillisecondsAsync(plan, tokens);
        double alone = tokens / milliseconds * 1000;
        Text.Line("bench at that size", string.Create(CultureInfo.InvariantCulture, $"{milliseconds:0.00} ms for {tokens} tokens, {alone:0} tokens/s"));
        return result.Tally.TokensPerSecond / alone;
    }

    private const string AllocatedBytes = "dotnet_gc_heap_total_allocated_bytes_total";
}

/// <summary>What one server did.</summary>
internal sealed record SteadyResult(
    bool Batching,
    Tally Tally,
    Histogram BatchTokens,
    Histogram QueueSeconds,
    Histogram ExecuteSeconds,
    double AllocatedBytesPerRequest,
    TimeSpan ServerProcessorTime,
    TimeSpan OwnProcessorTime,
    string Memory);
