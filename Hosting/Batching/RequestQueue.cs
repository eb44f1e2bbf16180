using System.Diagnostics;
using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Batching;

/// <summary>
/// Waiting requests, bounded in tokens and in the time that they take: queues take turns, and within a queue the first to come is the first
/// to go.
/// </summary>
/// <remarks>
/// A bounded channel would count requests instead of tokens, could not take those of one layer out of its middle, and would keep cancelled
/// ones. Here a lock is held for a few assignments; nothing runs under it. Taken by one runner, filled by any number of threads.
/// </remarks>
internal sealed partial class RequestQueue : IDisposable
{
    // What a full queue says before anything was measured: HTTP's smallest Retry-After.
    private static readonly TimeSpan UnmeasuredRetry = TimeSpan.FromSeconds(1);

    private readonly object _gate = new();
    private readonly Queue<LayerQueue> _turns = new();
    private readonly int _capacity;
    private readonly TimeSpan _capacityTime;
    private readonly TimeProvider _time;
    private readonly FfnMetrics _metrics;
    private readonly long _delay;
    private readonly ITimer? _timer;
    private FfnRequest? _free;
    private FfnUnavailableException? _closed;
    private int _waitingTokens;
    private int _runningTokens;
    private bool _runnerSleeps;

    public RequestQueue(FfnBatchingOptions options, TimeProvider time, FfnMetrics metrics)
    {
        _capacity = options.QueueCapacityTokens;
        _capacityTime = options.QueueCapacityTime ?? TimeSpan.MaxValue;
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

    /// <summary>Whether the runner sleeps, and nothing has woken it yet.</summary>
    public bool RunnerSleeps
    {
        get
        {
            lock (_gate)
            {
                return _runnerSleeps;
            }
        }
    }

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
            if (_closed is not null || tokens > _capacity || HasRoom(tokens))
            {
                retryAfter = default;
                return false;
            }
        }

        _metrics.Rejected(queue, RejectionReason.QueueFull);
        retryAfter = RetryAfter(waiting);
        return true;
    }

    /// <summary>Appends a request that was proven to fit its layer.</summary>
    public ValueTask Submit(
        LayerQueue queue, ReadOnlyMemory<float> input, Memory<float> output, int tokens, TimeSpan deadline,
        CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            _metrics.Rejected(queue, RejectionReason.Cancelled);
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (deadline <= TimeSpan.Zero && deadline != Timeout.InfiniteTimeSpan)
        {
            _metrics.Rejected(queue, RejectionReason.Deadline);
            return ValueTask.FromException(new FfnDeadlineException("The deadline had passed before the request came."));
        }

        ActivityContext parent = FfnTracing.ParentOfRequest();
        long now = _time.GetTimestamp();
        long deadlineAt = deadline == Timeout.InfiniteTimeSpan ? long.MaxValue : now + ToTicks(deadline);
        FfnRequest? request = null;
        FfnUnavailableException? closed;
        int waiting;
        lock (_gate)
        {
            closed = _closed;
            waiting = _waitingTokens;
            if (closed is null && HasRoom(tokens))
            {
                request = _free ?? new FfnRequest(this);
                _free = request.Next;
                request.Begin(queue, input, output, tokens, now, deadlineAt, parent);
                Append(request);
                ExpireAt(deadlineAt, now);
            }
        }

        if (request is null)
        {
            return closed is null ? RefuseFull(queue, tokens, waiting) : RefuseClosed(queue, closed);
        }

        ValueTask completion = request.Completion;
        request.CancelWith(cancellationToken);
        return completion;
    }

    /// <summary>Waits for the next requests to run together.</summary>
    /// <returns>False when the queue is closed and empty.</returns>
    public bool Take(RequestBatch batch)
    {
        lock (_gate)
        {
            _runningTokens = 0;
            while (true)
            {
                if (_waitingTokens > 0)
                {
                    long now = _time.GetTimestamp();
                    if (NextQueue(now) is { } queue)
                    {
                        TakeFrom(queue, now, batch);
                        return true;
                    }
                }
                else if (_closed is not null)
                {
                    return false;
                }

                _runnerSleeps = true;
                Monitor.Wait(_gate);
            }
        }
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

            // A closed queue may be empty now, which the runner waits for.
            Remove(request);
            WakeRunner();
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
            WakeRunner();
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

    private TimeSpan RetryAfter(int waiting) =>
        Rate.SecondsPerToken is > 0 and var seconds ? TimeSpan.FromSeconds(waiting * seconds) : UnmeasuredRetry;

    private FfnRequest? TakeAny()
    {
        lock (_gate)
        {
            while (_turns.TryPeek(out LayerQueue? queue))
            {
                if (queue.First is { } request)
                {
                    Remove(request);
                    return request;
                }

                queue.HasTurn = false;
                _turns.Dequeue();
            }

            WakeRunner();
            return null;
        }
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            WakeRunner();
        }
    }

    // The methods below are called under the lock.

    // What runs counts in full: how far it has come is not known. Who finds nobody waiting waits for one batch at most, however slow.
    private bool HasRoom(int tokens) =>
        tokens <= _capacity - _waitingTokens
        && (_waitingTokens == 0 || (_waitingTokens + _runningTokens) * Rate.SecondsPerToken <= _capacityTime.TotalSeconds);

    private void Append(FfnRequest request)
    {
        LayerQueue queue = request.Queue;
        bool wakes = _delay == 0 || queue.First is null || queue.Tokens + request.Tokens >= queue.Layer.MaxBatchTokens;
        queue.Append(request);
        _waitingTokens += request.Tokens;
        if (!queue.HasTurn)
        {
            queue.HasTurn = true;
            _turns.Enqueue(queue);
        }

        if (wakes)
        {
            WakeRunner();
        }
    }

    // The queue whose turn it is, of those that need not wait for more. Queues that were emptied in between leave the round.
    private LayerQueue? NextQueue(long now)
    {
        long nextDue = long.MaxValue;
        for (int i = _turns.Count; i > 0; i--)
        {
            LayerQueue queue = _turns.Dequeue();
            if (queue.First is not { } first)
            {
                queue.HasTurn = false;
                continue;
            }

            long due = first.ArrivedAt + _delay;
            if (due <= now || queue.Tokens >= queue.Layer.MaxBatchTokens || _closed is not null)
            {
                return queue;
            }

            nextDue = Math.Min(nextDue, due);
            _turns.Enqueue(queue);
        }

        if (nextDue != long.MaxValue)
        {
            // Timers count whole milliseconds, and one that fires early would only be set again.
            double milliseconds = Math.Ceiling(_time.GetElapsedTime(now, nextDue).TotalMilliseconds);
            _timer!.Change(TimeSpan.FromMilliseconds(milliseconds), Timeout.InfiniteTimeSpan);
        }

        return null;
    }

    private void TakeFrom(LayerQueue queue, long now, RequestBatch batch)
    {
        while (queue.First is { } request)
        {
            bool expired = request.DeadlineAt <= now;
            if (!expired && batch.Requests.Count > 0 && request.Tokens > queue.Layer.MaxBatchTokens - batch.Tokens)
            {
                break;
            }

            Remove(request);
            if (expired)
            {
                batch.Expired.Add(request);
            }
            else
            {
                batch.Add(request);
            }
        }

        batch.LeftOthers = _waitingTokens > 0;
        _runningTokens = batch.Tokens;
        queue.HasTurn = queue.First is not null;
        if (queue.HasTurn)
        {
            _turns.Enqueue(queue);
        }
    }

    private void Remove(FfnRequest request)
    {
        request.Queue.Remove(request);
        _waitingTokens -= request.Tokens;
    }

    private void WakeRunner()
    {
        if (_runnerSleeps)
        {
            _runnerSleeps = false;
            Monitor.Pulse(_gate);
        }
    }

    // Saturates, as a deadline may be as long as a TimeSpan.
    private long ToTicks(TimeSpan time) => (long)Math.Min(time.TotalSeconds * _time.TimestampFrequency, long.MaxValue / 4);
}
