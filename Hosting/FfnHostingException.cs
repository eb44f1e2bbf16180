namespace NativeFfn.Hosting;

/// <summary>
/// What hosting adds to the ways in which a forward can fail; thrown itself where an engine or a model cannot be opened at start.
/// </summary>
public class FfnHostingException : InvalidOperationException
{
    /// <summary>Describes the problem.</summary>
    /// <param name="message">One sentence or two, on one line.</param>
    /// <param name="inner">The cause, where there is one.</param>
    public FfnHostingException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>The queue has no room for a request; HTTP's answer is 429 with Retry-After.</summary>
public sealed class FfnQueueFullException : FfnHostingException
{
    /// <summary>Describes the problem.</summary>
    /// <param name="message">One sentence or two, on one line.</param>
    /// <param name="retryAfter">When to try again.</param>
    public FfnQueueFullException(string message, TimeSpan retryAfter)
        : base(message) => RetryAfter = retryAfter;

    /// <summary>
    /// About how long it takes to run what waits now, at the speed of the last batches that left others waiting; a second before the first.
    /// </summary>
    public TimeSpan RetryAfter { get; }
}

/// <summary>A request's deadline passed while it waited; it was not run. HTTP's answer is 504.</summary>
public sealed class FfnDeadlineException : FfnHostingException
{
    /// <summary>Describes the problem.</summary>
    /// <param name="message">One sentence or two, on one line.</param>
    public FfnDeadlineException(string message)
        : base(message)
    {
    }
}

/// <summary>No layer has the name that a request asked for. HTTP's answer is 404.</summary>
public sealed class FfnLayerNotFoundException : FfnHostingException
{
    /// <summary>Describes the problem.</summary>
    /// <param name="layer">The name that was asked for.</param>
    /// <param name="message">One sentence or two, on one line, that name the layers there are.</param>
    public FfnLayerNotFoundException(string layer, string message)
        : base(message) => Layer = layer;

    /// <summary>The name that was asked for.</summary>
    public string Layer { get; }
}

/// <summary>The engine takes no requests: not started yet, shut down, or broken. HTTP's answer is 503.</summary>
public sealed class FfnUnavailableException : FfnHostingException
{
    /// <summary>Describes the problem.</summary>
    /// <param name="message">One sentence or two, on one line.</param>
    /// <param name="inner">What broke the engine, where something did.</param>
    public FfnUnavailableException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
