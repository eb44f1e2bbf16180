namespace NativeFfn.Hosting.Batching;

/// <summary>Runs rows through layers, and tells what a request brought about from what breaks the engine.</summary>
/// <param name="broken">Told of a failure that is not a request's own, after which nothing is run any more.</param>
internal sealed class LayerExecution(Action<Exception> broken)
{
    /// <summary>Runs rows; tests look on, hold it up, or have it fail.</summary>
    public LayerForward Forward { get; set; } = LayerForwards.Run;

    /// <summary>Runs a request where it lies.</summary>
    /// <param name="queue">Layer and mode.</param>
    /// <param name="input">x.</param>
    /// <param name="output">y.</param>
    /// <param name="padded">Runs rows in forwards of a fixed number; null where each has as many as it needs.</param>
    /// <param name="fatal">What broke the engine, or null.</param>
    /// <returns>Why the request failed, or null.</returns>
    public Exception? Run(
        LayerQueue queue, ReadOnlyMemory<float> input, Memory<float> output, BatchBuffer? padded, out Exception? fatal)
    {
        fatal = null;
        ReadOnlySpan<float> x;
        Span<float> y;
        try
        {
            x = input.Span;
            y = output.Span;
        }
        catch (Exception exception)
        {
            // Memory that its owner has taken away.
            return exception;
        }

        try
        {
            if (padded is null)
            {
                Forward(queue.Layer.Layer, queue.Mode, x, y);
            }
            else
            {
                padded.RunInPieces(queue, x, y, Forward);
            }

            return null;
        }
        catch (Exception exception) when (IsRequestsOwn(exception))
        {
            return exception;
        }
        catch (Exception exception)
        {
            fatal = exception;
            return Broken(exception);
        }
    }

    /// <summary>Nothing can be run any more.</summary>
    public void Break(Exception exception) => broken(exception);

    /// <summary>What a request's rows, memory or size can bring about; a native library that fails is not among it.</summary>
    public static bool IsRequestsOwn(Exception exception) =>
        exception is ArgumentException or NotSupportedException or InsufficientMemoryException or OutOfMemoryException;

    /// <summary>What requests are told that the engine broke under; one for each, as one that is thrown twice loses its trace.</summary>
    public static FfnUnavailableException Broken(Exception exception) =>
        new($"The engine broke while it ran the request: {exception.Message}", exception);
}
