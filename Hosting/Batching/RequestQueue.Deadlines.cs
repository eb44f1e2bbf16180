using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Batching;

/// <content>Deadlines, which pass whatever runs meanwhile.</content>
internal sealed partial class RequestQueue
{
    // Timers take no more than weeks; one that fires before a deadline is set again.
    private static readonly TimeSpan LongestTimer = TimeSpan.FromDays(1);

    private readonly ITimer _expiry;
    private long _expiresAt = long.MaxValue;

    /// <summary>A request was not run because its deadline passed.</summary>
    public void RefuseLate(FfnRequest request)
    {
        TimeSpan waited = _time.GetElapsedTime(request.ArrivedAt);
        _metrics.Rejected(request.Queue, RejectionReason.Deadline);
        request.Complete(new FfnDeadlineException(
            $"The deadline passed while the request waited, {waited.TotalMilliseconds:0.#} ms so far; it was not run."));
    }

    // Takes out what is too late, whatever runs meanwhile, and waits for the next deadline.
    private void Expire()
    {
        FfnRequest? late = null;
        lock (_gate)
        {
            long now = _time.GetTimestamp();
            long next = long.MaxValue;
            foreach (LayerQueue queue in _turns)
            {
                FfnRequest? following;
                for (FfnRequest? request = queue.First; request is not null; request = following)
                {
                    following = request.Next;
                    if (request.DeadlineAt <= now)
                    {
                        Remove(request);
                        request.Next = late;
                        late = request;
                    }
                    else
                    {
                        next = Math.Min(next, request.DeadlineAt);
                    }
                }
            }

            _expiresAt = long.MaxValue;
            ExpireAt(next, now);

            // A closed queue may be empty now, which the runners wait for.
            Wake();
        }

        while (late is { } request)
        {
            // Once it is answered it may be somebody else's.
            late = request.Next;
            request.Next = null;
            RefuseLate(request);
        }
    }

    // Called under the lock.
    private void ExpireAt(long deadlineAt, long now)
    {
        if (deadlineAt < _expiresAt)
        {
            _expiresAt = deadlineAt;
            double milliseconds = Math.Ceiling(_time.GetElapsedTime(now, deadlineAt).TotalMilliseconds);
            _expiry.Change(
                TimeSpan.FromMilliseconds(Math.Min(milliseconds, LongestTimer.TotalMilliseconds)), Timeout.InfiniteTimeSpan);
        }
    }
}
