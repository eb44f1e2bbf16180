using System.Diagnostics;
using System.Threading.Tasks.Sources;

namespace NativeFfn.Hosting.Batching;

/// <summary>One request from its call to its awaited answer. Pooled by its queue, so that requests allocate nothing.</summary>
internal sealed class FfnRequest : IValueTaskSource
{
    private readonly RequestQueue _queue;

    // Continuations are callers' code, which must not run on the runner's thread or under a lock.
    private ManualResetValueTaskSourceCore<bool> _completion = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration _cancellation;

    public FfnRequest(RequestQueue queue) => _queue = queue;

    /// <summary>The layer and mode asked for, with those that wait for the same.</summary>
    public LayerQueue Queue { get; private set; } = null!;

    public ReadOnlyMemory<float> Input { get; private set; }

    public Memory<float> Output { get; private set; }

    public int Tokens { get; private set; }

    /// <summary>When the request came, as a timestamp of the queue's clock.</summary>
    public long ArrivedAt { get; private set; }

    /// <summary>When it must have been taken from the queue.</summary>
    public long DeadlineAt { get; private set; }

    /// <summary>The activity that the caller was in, where somebody listens.</summary>
    public ActivityContext Parent { get; private set; }

    /// <summary>Why the request failed while it ran.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Whether it is in its queue, from where it may be taken or cancelled; guarded by the queue's lock.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>The neighbours in the queue, or the next free one in the pool; guarded by the queue's lock.</summary>
    public FfnRequest? Previous { get; set; }

    public FfnRequest? Next { get; set; }

    /// <summary>What the caller awaits, once.</summary>
    public ValueTask Completion => new(this, _completion.Version);

    public void Begin(
        LayerQueue queue, ReadOnlyMemory<float> input, Memory<float> output, int tokens, long arrivedAt, long deadlineAt,
        ActivityContext parent)
    {
        Queue = queue;
        Input = input;
        Output = output;
        Tokens = tokens;
        ArrivedAt = arrivedAt;
        DeadlineAt = deadlineAt;
        Parent = parent;
    }

    /// <summary>Has a token take the request out of the queue. Called when it is in there, and before anybody can await it.</summary>
    public void CancelWith(CancellationToken cancellationToken)
    {
        if (cancellationToken.CanBeCanceled)
        {
            _cancellation = cancellationToken.UnsafeRegister(
                static (request, token) => ((FfnRequest)request!)._queue.Cancel((FfnRequest)request, token), this);
        }
    }

    /// <summary>Lets the layer go and answers the caller, after which the request may be somebody else's.</summary>
    public void Complete(Exception? failure)
    {
        Queue.Layer.Release();
        if (failure is null)
        {
            _completion.SetResult(true);
        }
        else
        {
            _completion.SetException(failure);
        }
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _completion.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource.GetResult(short token)
    {
        // An answer that is awaited twice, or not awaited at all, is refused here, before anything is given back.
        if (_completion.GetStatus(token) == ValueTaskSourceStatus.Pending)
        {
            throw new InvalidOperationException("The task of a forward must be awaited; its result was taken before there was one.");
        }

        try
        {
            _completion.GetResult(token);
        }
        finally
        {
            Recycle();
        }
    }

    private void Recycle()
    {
        // Waits for a cancellation that is under way, so that none reaches the next request.
        _cancellation.Dispose();
        _cancellation = default;
        _completion.Reset();
        Input = default;
        Output = default;
        Failure = null;
        Parent = default;
        _queue.Return(this);
    }
}
