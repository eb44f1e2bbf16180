using NativeFfn.Load.Wire;

namespace NativeFfn.Load.Scenarios;

/// <summary>What a server says of a span of time, and what processors were used meanwhile.</summary>
internal sealed record ServerFigures(
    Histogram BatchTokens,
    Histogram QueueSeconds,
    Histogram ExecuteSeconds,
    double AllocatedBytes,
    TimeSpan ServerProcessorTime,
    TimeSpan OwnProcessorTime)
{
    private const string Allocated = "dotnet_gc_heap_total_allocated_bytes_total";

    /// <summary>Runs something and looks at the server before and after.</summary>
    public static async Task<(T Result, ServerFigures Figures)> OfAsync<T>(ServerProcess server, Func<Task<T>> run)
    {
        Metrics before = await server.ReadMetricsAsync();
        TimeSpan processorBefore = server.ProcessorTime;
        TimeSpan ownBefore = Environment.CpuUsage.TotalTime;
        T result = await run();
        TimeSpan processor = server.ProcessorTime - processorBefore;
        TimeSpan own = Environment.CpuUsage.TotalTime - ownBefore;
        await Task.Delay(Metrics.CacheTime);
        Metrics after = await server.ReadMetricsAsync();
        return (result, new ServerFigures(
            after.Histogram("nativeffn_batch_size", before),
            after.Histogram("nativeffn_queue_duration_seconds", before),
            after.Histogram("nativeffn_forward_duration_seconds", before),
            after.Sum(Allocated) - before.Sum(Allocated),
            processor,
            own));
    }
}
