using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Batching;

/// <summary>The one thread that runs an engine's requests, and sleeps when there are none.</summary>
/// <remarks>
/// A request that is alone is run where it lies; several are gathered, run together and scattered. Where that fails for a reason that
/// one of them may have brought, each is run alone, so that the others do not fail with it. Any other failure breaks the engine.
/// </remarks>
internal sealed class BatchRunner
{
    private readonly RequestQueue _queue;
    private readonly BatchBuffer _buffer;
    private readonly int _paddedTokens;
    private readonly TimeProvider _time;
    private readonly FfnMetrics _metrics;
    private readonly Action<Exception> _broken;
    private readonly RequestBatch _batch = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Makes a runner; <see cref="Start"/> starts it.</summary>
    /// <param name="queue">Where requests wait.</param>
    /// <param name="buffer">Room for a batch of any layer.</param>
    /// <param name="paddedTokens">Rows of every forward that requests may share, or 0 where each has as many as it needs.</param>
    /// <param name="time">The clock.</param>
    /// <param name="metrics">What is counted.</param>
    /// <param name="broken">Told of a failure that is not a request's own, after which nothing is run any more.</param>
    public BatchRunner(
        RequestQueue queue, BatchBuffer buffer, int paddedTokens, TimeProvider time, FfnMetrics metrics, Action<Exception> broken)
    {
        _queue = queue;
        _buffer = buffer;
        _paddedTokens = paddedTokens;
        _time = time;
        _metrics = metrics;
        _broken = broken;
    }

    /// <summary>Runs rows; tests look on, hold it up, or have it fail.</summary>
    public LayerForward Forward { get; set; } = LayerForwards.Run;

    /// <summary>Done when the queue was closed and its last request was run.</summary>
    public Task Ended => _ended.Task;

    public void Start(string name) => new Thread(Run) { IsBackground = true, Name = $"NativeFfn runner {name}" }.Start();

    private void Run()
    {
        try
        {
            while (_queue.Take(_batch))
            {
                RefuseExpired();
                RunBatch();
                _batch.Clear();
            }
        }
        finally
        {
            _ended.SetResult();
        }
    }

    private void RefuseExpired()
    {
        foreach (FfnRequest request in _batch.Expired)
        {
            _queue.RefuseLate(request);
        }
    }

    private void RunBatch()
    {
        if (_batch.Requests.Count == 0)
        {
            return;
        }

        LayerQueue queue = _batch.Requests[0].Queue;
        long started = _time.GetTimestamp();
        Exception? broken = RunTogether(queue);
        TimeSpan elapsed = _time.GetElapsedTime(started);
        _queue.Rate.Measured(_batch, elapsed);
        _metrics.Executed(queue, _batch, elapsed);
        foreach (FfnRequest request in _batch.Requests)
        {
            Finish(request, started);
        }

        if (broken is not null)
        {
            _broken(broken);
        }
    }

    private Exception? RunTogether(LayerQueue queue)
    {
        if (_batch.Requests.Count == 1)
        {
            return RunAlone(_batch.Requests[0]);
        }

        try
        {
            _buffer.Run(queue, _batch.Requests, _paddedTokens, Forward);
            return null;
        }
        catch (Exception exception) when (IsRequestsOwn(exception))
        {
            Exception? broken = null;
            foreach (FfnRequest request in _batch.Requests)
            {
                if (broken is not null)
                {
                    request.Failure ??= Broken(broken);
                }
                else if (request.Failure is null)
                {
                    broken = RunAlone(request);
                }
            }

            return broken;
        }
        catch (Exception exception)
        {
            foreach (FfnRequest request in _batch.Requests)
            {
                request.Failure ??= Broken(exception);
            }

            return exception;
        }
    }

    /// <returns>What broke the engine, or null.</returns>
    private Exception? RunAlone(FfnRequest request)
    {
        ReadOnlySpan<float> input;
        Span<float> output;
        try
        {
            input = request.Input.Span;
            output = request.Output.Span;
        }
        catch (Exception exception)
        {
            // Memory that its owner has taken away.
            request.Failure = exception;
            return null;
        }

        try
        {
            // A layer whose requests share nothing gives the same request the same bits without filling it up.
            if (_paddedTokens > 0 && request.Queue.Layer.MaxBatchTokens > 0)
            {
                _buffer.RunInPieces(request.Queue, input, output, _paddedTokens, Forward);
            }
            else
            {
                Forward(request.Queue.Layer.Layer, request.Queue.Mode, input, output);
            }

            return null;
        }
        catch (Exception exception)
        {
            bool own = IsRequestsOwn(exception);
            request.Failure = own ? exception : Broken(exception);
            return own ? null : exception;
        }
    }

    private void Finish(FfnRequest request, long started)
    {
        TimeSpan waited = _time.GetElapsedTime(request.ArrivedAt, started);
        _metrics.Finished(request, waited);
        FfnTracing.Record(request, _batch.Tokens, waited, _time);
        request.Complete(request.Failure);
    }

    // What a request's rows, memory or size can bring about; a native library that fails is not among it.
    private static bool IsRequestsOwn(Exception exception) =>
        exception is ArgumentException or NotSupportedException or InsufficientMemoryException or OutOfMemoryException;

    private static FfnUnavailableException Broken(Exception exception) =>
        new($"The engine broke while it ran the request: {exception.Message}", exception);
}
