using System.Diagnostics;
using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Batching;

/// <summary>
/// Waiting requests, bounded in tokens and in the time that they take. Higher priorities go first, then models and layers by their shares,
/// and within a layer the first to come is the first to go.
/// </summary>
/// <remarks>
/// A bounded channel would count requests instead of tokens, could not take those of one layer out of its middle, and would keep cancelled
/// ones. Here a lock is held for a few assignments; nothing runs under it. Filled by any number of threads, emptied by the runners. What
/// needs not wait does not come here: <see cref="TryEnter"/> lets it run where it is.
/// </remarks>
internal sealed partial class RequestQueue : IDisposable
{
    // What a full queue says before anything was measured: HTTP's smallest Retry-After.
    private static readonly TimeSpan UnmeasuredRetry = TimeSpan.FromSeconds(1);

    private readonly object _gate = new();
    private readonly List<LayerQueue> _turns = [];
    private readonly int _capacity;
    private readonly TimeSpan _capacityTime;
    private readonly TimeProvider _time;
    private readonly FfnMetrics _metrics;
    private readonly long _delay;
    private readonly ITimer? _timer;
    private FfnRequest? _free;
    private volatile FfnUnavailableException? _closed;
    private int _waitingTokens;
    private int _runningTokens;

    /// <summary>Makes an empty queue.</summary>
    /// <param name="options">Its bounds.</param>
    /// <param name="processors">What forwards share; positive.</param>
    /// <param name="time">The clock.</param>
    /// <param name="metrics">What is counted.</param>
    public RequestQueue(FfnBatchingOptions options, int processors, TimeProvider time, FfnMetrics metrics)
    {
        _capacity = options.QueueCapacityTokens;
        _capacityTime = options.QueueCapacityTime ?? TimeSpan.MaxValue;
        _processors = processors;
        _time = time;
        _metrics = metrics;
        _delay = ToTicks(options.MaxQueueDelay);
        _expiry = time.CreateTimer(
            static queue => ((RequestQueue)queue!).Expire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        if (_delay > 0)
        {
            _timer = time.CreateTimer(
                static queue => ((RequestQueue)queue!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Tokens that wait.</summary>
    public int WaitingTokens => Volatile.Read(ref _waitingTokens);

    /// <summary>By what it is known how long those who wait take.</summary>
    public ServiceRate Rate { get; } = new();

    /// <summary>
    /// Whether so many tokens would be refused for lack of room, which then counts as a rejection; no other reason is looked at.
    /// </summary>
    public bool WouldRefuse(LayerQueue queue, int tokens, out TimeSpan retryAfter)
    {
        int waiting;
        lock (_gate)
        {
            waiting = _waitingTokens;
            int lacking = Lacking(tokens);
            if (_closed is not null || tokens > _capacity || lacking <= 0 || Longest(queue, tokens, lacking) is not null)
            {
                retryAfter = default;
                return false;
            }
        }

        _metrics.Rejected(queue, RejectionReason.QueueFull);
        retryAfter = RetryAfter(waiting);
        return true;
    }

    /// <summary>Appends a request that was proven to fit its layer, which its answer releases.</summary>
    public ValueTask Submit(
        LayerQueue queue, ReadOnlyMemory<float> input, Memory<float> output, int tokens, TimeSpan deadline,
        CancellationToken cancellationToken)
    {
        ActivityContext parent = FfnTracing.ParentOfRequest();
        long now = _time.GetTimestamp();
        long deadlineAt = deadline == Timeout.InfiniteTimeSpan ? long.MaxValue : now + ToTicks(deadline);
        FfnRequest? request = null;
        FfnRequest? pushedOut = null;
        FfnUnavailableException? closed;
        int waiting;
        lock (_gate)
        {
            closed = _closed;
            waiting = _waitingTokens;
            if (closed is null && MakeRoom(queue, tokens, out pushedOut))
            {
                request = _free ?? new FfnRequest(this);
                _free = request.Next;
                request.Begin(queue, input, output, tokens, now, deadlineAt, parent);
                Append(request);
                ExpireAt(deadlineAt, now);
            }
        }

        RefuseAll(pushedOut, waiting);
        if (request is null)
        {
            queue.Layer.Release();
            return closed is null ? RefuseFull(queue, tokens, waiting) : RefuseClosed(queue, closed);
        }

        ValueTask completion = request.Completion;
        request.CancelWith(cancellationToken);
        return completion;
    }

    /// <summary>Takes a request out, unless it is running or done already.</summary>
    public void Cancel(FfnRequest request, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!request.IsWaiting)
            {
                return;
            }

            // A closed queue may be empty now, which the runners wait for.
            Remove(request);
            Wake();
        }

        _metrics.Rejected(request.Queue, RejectionReason.Cancelled);
        request.Complete(new OperationCanceledException(cancellationToken));
    }

    /// <summary>
    /// Gives a request back whose answer was taken. As many are kept as were ever under way at once, which the capacity bounds.
    /// </summary>
    public void Return(FfnRequest request)
    {
        lock (_gate)
        {
            request.Next = _free;
            _free = request;
        }
    }

    /// <summary>Refuses requests from now on, for the first reason that is given; those that wait are still run.</summary>
    public void Close(FfnUnavailableException reason)
    {
        lock (_gate)
        {
            _closed ??= reason;
            WakeAll();
        }
    }

    /// <summary>Closes and fails every request that waits.</summary>
    /// <returns>Requests that were failed.</returns>
    public int Abort(FfnUnavailableException reason)
    {
        Close(reason);
        int failed = 0;
        while (TakeAny() is { } request)
        {
            _metrics.Rejected(request.Queue, RejectionReason.Unavailable);
            request.Complete(new FfnUnavailableException(reason.Message, reason.InnerException));
            failed++;
        }

        return failed;
    }

    public void Dispose()
    {
        _expiry.Dispose();
        _timer?.Dispose();
    }

    private ValueTask RefuseClosed(LayerQueue queue, FfnUnavailableException reason)
    {
        _metrics.Rejected(queue, RejectionReason.Unavailable);
        return ValueTask.FromException(new FfnUnavailableException(reason.Message, reason.InnerException));
    }

    private ValueTask RefuseFull(LayerQueue queue, int tokens, int waiting)
    {
        _metrics.Rejected(queue, RejectionReason.QueueFull);
        TimeSpan retryAfter = RetryAfter(waiting);
        string why = tokens > _capacity - waiting
            ? $"{waiting} of {_capacity} tokens wait, and {tokens} more were asked for"
            : $"{waiting} tokens wait, and {tokens} more would wait longer than {_capacityTime.TotalSeconds:0.###} s";
        return ValueTask.FromException(
            new FfnQueueFullException($"The queue is full: {why}. Try again in {retryAfter.TotalSeconds:0.###} s.", retryAfter));
    }

    // Answers those that made room for others, a list by Next.
    private void RefuseAll(FfnRequest? pushedOut, int waiting)
    {
        while (pushedOut is { } request)
        {
            pushedOut = request.Next;
            request.Next = null;
            _metrics.Rejected(request.Queue, RejectionReason.QueueFull);
            TimeSpan retryAfter = RetryAfter(waiting);
            request.Complete(new FfnQueueFullException(
                $"The queue is full, and {request.Queue.Layer.Info.Name} has the most of it: the request made room for another layer's. " +
                $"Try again in {retryAfter.TotalSeconds:0.###} s.", retryAfter));
        }
    }

    private TimeSpan RetryAfter(int waiting) =>
        Rate.SecondsPerToken is > 0 and var seconds ? TimeSpan.FromSeconds(waiting * seconds) : UnmeasuredRetry;

    private FfnRequest? TakeAny()
    {
        lock (_gate)
        {
            foreach (LayerQueue queue in _turns)
            {
                if (queue.First is { } request)
                {
                    Remove(request);
                    return request;
                }
            }

            Wake();
            return null;
        }
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            WakeAll();
        }
    }

    // The methods below are called under the lock.

    // Tokens that must go before so many more may wait. What runs counts in full: how far it has come is not known. Who finds nobody
    // waiting waits for one batch at most, however slow.
    private int Lacking(int tokens)
    {
        int lacking = tokens - (_capacity - _waitingTokens);
        double seconds = Rate.SecondsPerToken;
        if (_waitingTokens == 0 || seconds == 0)
        {
            return lacking;
        }

        double late = _waitingTokens + _runningTokens - (_capacityTime.TotalSeconds / seconds);
        return Math.Max(lacking, (int)Math.Min(Math.Ceiling(late), _waitingTokens));
    }

    // A layer that has more than its share makes room for one that has less.
    private bool MakeRoom(LayerQueue queue, int tokens, out FfnRequest? pushedOut)
    {
        pushedOut = null;
        int lacking = Lacking(tokens);
        if (lacking <= 0)
        {
            return true;
        }

        if (Longest(queue, tokens, lacking) is not { } longest)
        {
            return false;
        }

        // The last to come, who have waited least.
        for (; lacking > 0; lacking -= pushedOut.Tokens)
        {
            FfnRequest last = longest.Last!;
            Remove(last);
            last.Next = pushedOut;
            pushedOut = last;
        }

        return true;
    }

    // The layer with the most waiting tokens for its weight, if it can lose so many and has no less than another then has.
    private LayerQueue? Longest(LayerQueue queue, int tokens, int lacking)
    {
        LayerQueue? longest = null;
        foreach (LayerQueue other in _turns)
        {
            FairShare share = other.Layer.Share;
            if (share != queue.Layer.Share && other.Priority <= queue.Priority && other.Tokens >= lacking
                && (longest is null || share.Waiting / share.Weight > longest.Layer.Share.Waiting / longest.Layer.Share.Weight))
            {
                longest = other;
            }
        }

        FairShare own = queue.Layer.Share;
        return longest is not null
            && (longest.Layer.Share.Waiting - lacking) / longest.Layer.Share.Weight >= (own.Waiting + tokens) / own.Weight ? longest : null;
    }

    private void Append(FfnRequest request)
    {
        LayerQueue queue = request.Queue;
        bool wakes = _delay == 0 || queue.First is null || queue.Tokens + request.Tokens >= queue.Layer.MaxBatchTokens;
        _handedOver = _waitingTokens == 0 && _delay == 0 && _sleepers > 0 && Busy == 0 ? request : null;
        queue.Append(request);
        queue.Layer.Share.Wait(request.Tokens);

        // Whoever leaves a processor looks at this after it has: one of the two sees the other.
        Interlocked.Add(ref _waitingTokens, request.Tokens);
        if (!queue.HasTurn)
        {
            queue.HasTurn = true;
            _turns.Add(queue);
        }

        if (wakes)
        {
            Wake();
        }
    }

    private void Remove(FfnRequest request)
    {
        request.Queue.Remove(request);
        request.Queue.Layer.Share.Wait(-request.Tokens);
        Interlocked.Add(ref _waitingTokens, -request.Tokens);
    }

    // Saturates, as a deadline may be as long as a TimeSpan.
    private long ToTicks(TimeSpan time) => (long)Math.Min(time.TotalSeconds * _time.TimestampFrequency, long.MaxValue / 4);
}
