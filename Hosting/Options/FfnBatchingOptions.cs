namespace NativeFfn.Hosting;

/// <summary>How waiting requests are run together. Amounts are tokens (rows), because those are what a forward costs.</summary>
public sealed class FfnBatchingOptions
{
    /// <summary>Whether waiting requests of the same layer and mode run together; else each runs alone, in the order of arrival.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>The most tokens that are run together; a single larger request runs alone.</summary>
    public int MaxBatchTokens { get; set; } = 64;

    /// <summary>
    /// The most forwards that run at a time where each leaves processors to others; 0 means as many as the processors this process may use,
    /// and one on a GPU.
    /// </summary>
    public int MaxConcurrentBatches { get; set; }

    /// <summary>How long an idle engine waits for a batch to fill, in whole milliseconds (rounded up); zero means never.</summary>
    public TimeSpan MaxQueueDelay { get; set; }

    /// <summary>The most tokens that wait at a time; requests beyond are refused. At least <see cref="MaxBatchTokens"/>.</summary>
    public int QueueCapacityTokens { get; set; } = 1024;

    /// <summary>
    /// The most time that a request shall wait; one that would wait longer, at the speed of the last batches, is refused. Never one that
    /// finds nobody waiting. Null means that only <see cref="QueueCapacityTokens"/> bounds the queue.
    /// </summary>
    public TimeSpan? QueueCapacityTime { get; set; }

    /// <summary>How long a request may wait before it is run, where it does not say so itself; null means as long as it takes.</summary>
    public TimeSpan? DefaultDeadline { get; set; }

    /// <summary>
    /// Whether a request's answer has the same bits whatever it is run with. Every forward then has the same number of rows,
    /// <see cref="MaxBatchTokens"/> but 64 at most, filled up with zeros, so that few tokens cost as much as many. Requests of a layer
    /// whose rows depend on their company even so run alone, as they are, which is logged: a layer whose rows depend on their place in a
    /// forward, which is tried at start, and a mixture of experts on any backend but <c>managed</c>, as neighbours decide how many rows an
    /// expert has. Of no effect where <see cref="Enabled"/> is false: without company there is nothing to depend on.
    /// </summary>
    public bool BatchInvariant { get; set; }
}
