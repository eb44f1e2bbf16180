namespace NativeFfn.Hosting.Batching;

/// <content>What is run when, and on how many of the processors.</content>
internal sealed partial class RequestQueue
{
    // A handover to another thread and back that takes less than such a part of a forward is not worth holding the caller's thread for.
    private const double WorthwhileHandovers = 20;

    // A forward that is so much shorter than the one that has the processors runs beside it: what it takes of it does not show.
    private const double ShortPart = 1.0 / 20;

    // A caller that runs its own request, beside the processors that it was given in the lower half.
    private const long OneCaller = 1L << 32;

    private readonly int _processors;

    // Processors of all forwards in the lower half, callers that run their own in the upper one: who comes and goes changes both at once.
    private long _inside;
    private int _sleepers;
    private int _runners;
    private int _woken;
    private double _handover;
    private FfnRequest? _handedOver;
    private double _longest;

    /// <summary>Whether every runner sleeps, and nothing has woken one yet.</summary>
    public bool RunnersSleep
    {
        get
        {
            lock (_gate)
            {
                return _sleepers == _runners && _woken == 0;
            }
        }
    }

    /// <summary>Seconds from a call to a runner that slept and back; 0 before it was measured.</summary>
    public double Handover => Volatile.Read(ref _handover);

    /// <summary>Lets a request run at once, on its caller's thread; <see cref="Leave"/> must follow. Takes no lock.</summary>
    /// <param name="queue">Layer and mode.</param>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="processors">Processors that it was given.</param>
    /// <returns>False where it has to wait, or is better off with others.</returns>
    public bool TryEnter(LayerQueue queue, int tokens, out int processors)
    {
        processors = 0;
        if (!queue.Layer.MayRunDirect || (_delay > 0 && tokens < queue.Layer.MaxBatchTokens) || queue.First is not null)
        {
            return false;
        }

        double seconds = queue.Layer.Times.Expected(tokens);
        double handover = Handover;
        if (WaitingTokens == 0 && seconds <= WorthwhileHandovers * handover)
        {
            processors = TakeProcessors(queue.Layer, tokens, OneCaller);
        }

        if (processors == 0)
        {
            // None is free: what a batch would save is less than the way there and back, or the long one that has them does not notice.
            bool isShort = seconds > 0
                && (seconds - (tokens * queue.Layer.Times.Batched) <= handover || seconds <= ShortPart * Volatile.Read(ref _longest));
            if (!isShort)
            {
                return false;
            }

            Interlocked.Add(ref _inside, OneCaller);
        }

        if (_closed is null)
        {
            return true;
        }

        Leave(processors);
        return false;
    }

    /// <summary>A request that ran on its caller's thread is done.</summary>
    public void Leave(int processors)
    {
        Interlocked.Add(ref _inside, -(OneCaller + processors));
        if (WaitingTokens > 0 || _closed is not null)
        {
            lock (_gate)
            {
                Wake();
            }
        }
    }

    /// <summary>One more runner takes from the queue.</summary>
    public void AddRunner()
    {
        lock (_gate)
        {
            _runners++;
        }
    }

    /// <summary>A runner could not be started.</summary>
    public void RemoveRunner()
    {
        lock (_gate)
        {
            _runners--;
        }
    }

    /// <summary>Waits for the next requests to run together.</summary>
    /// <returns>False when the queue is closed and empty, and nobody is within.</returns>
    public bool Take(RequestBatch batch)
    {
        lock (_gate)
        {
            bool slept = false;
            while (!TryTake(batch, slept))
            {
                if (IsOver)
                {
                    _runners--;
                    return false;
                }

                slept = true;
                _sleepers++;
                Monitor.Wait(_gate);
                _sleepers--;
                _woken = Math.Max(0, _woken - 1);
            }

            return true;
        }
    }

    /// <summary>Takes the next requests to run together, if there are some that may run now.</summary>
    public bool TryTake(RequestBatch batch)
    {
        lock (_gate)
        {
            return TryTake(batch, slept: false);
        }
    }

    /// <summary>A batch that was taken has run.</summary>
    public void Finished(RequestBatch batch, TimeSpan elapsed)
    {
        lock (_gate)
        {
            double seconds = elapsed.TotalSeconds * batch.Processors / _processors;
            Rate.Measured(batch, seconds);
            Share(batch).Use(seconds - Charge(batch));
            _runningTokens -= batch.Tokens;
            Interlocked.Add(ref _inside, -batch.Processors);
            if (batch.Expected >= _longest)
            {
                Volatile.Write(ref _longest, 0);
            }

            // The runner looks for the next one itself; another may find a processor too.
            if (Busy < _processors - 1 || _closed is not null)
            {
                Wake();
            }
        }
    }

    // Processors that forwards have.
    private int Busy => (int)Volatile.Read(ref _inside);

    private static FairShare Share(RequestBatch batch) => batch.Requests[0].Queue.Layer.Share;

    // Processors for a forward, and as many as are free where it could use more; 0 where none is, and then nobody comes in.
    private int TakeProcessors(Serving.ServedLayer layer, int tokens, long callers)
    {
        int wanted = Math.Min(layer.Layer.ThreadsOf(tokens), _processors);
        while (true)
        {
            long inside = Volatile.Read(ref _inside);
            int given = Math.Min(wanted, _processors - (int)inside);
            if (given <= 0 || Interlocked.CompareExchange(ref _inside, inside + given + callers, inside) == inside)
            {
                return Math.Max(given, 0);
            }
        }
    }

    // The methods below are called under the lock.

    private bool IsOver => _closed is not null && _waitingTokens == 0 && Volatile.Read(ref _inside) < OneCaller;

    // What a batch is expected to take, as if it had all processors.
    private double Charge(RequestBatch batch) => batch.Expected * batch.Processors / _processors;

    private bool TryTake(RequestBatch batch, bool slept)
    {
        if (_waitingTokens == 0 || Busy >= _processors)
        {
            return false;
        }

        long now = _time.GetTimestamp();
        if (NextQueue(now) is not { } queue)
        {
            return false;
        }

        if (slept && queue.First == _handedOver)
        {
            // There, and about as long back.
            double seconds = 2 * _time.GetElapsedTime(queue.First!.ArrivedAt, now).TotalSeconds;
            Volatile.Write(ref _handover, ForwardTimes.Follow(_handover, seconds));
        }

        _handedOver = null;
        TakeFrom(queue, now, batch);
        return true;
    }

    // The queue that is next, of those that need not wait for more. Queues that were emptied in between have no turn any more.
    private LayerQueue? NextQueue(long now)
    {
        _turns.RemoveAll(static queue =>
        {
            queue.HasTurn = queue.First is not null;
            return !queue.HasTurn;
        });
        long nextDue = long.MaxValue;
        LayerQueue? next = null;
        foreach (LayerQueue queue in _turns)
        {
            long due = queue.First!.ArrivedAt + _delay;
            if (due > now && queue.Tokens < queue.Layer.MaxBatchTokens && _closed is null)
            {
                nextDue = Math.Min(nextDue, due);
            }
            else if (next is null || queue.Priority > next.Priority
                || (queue.Priority == next.Priority && queue.Layer.Share.IsBefore(next.Layer.Share)))
            {
                next = queue;
            }
        }

        if (next is null && nextDue != long.MaxValue)
        {
            // Timers count whole milliseconds, and one that fires early would only be set again.
            double milliseconds = Math.Ceiling(_time.GetElapsedTime(now, nextDue).TotalMilliseconds);
            _timer!.Change(TimeSpan.FromMilliseconds(milliseconds), Timeout.InfiniteTimeSpan);
        }

        return next;
    }

    private void TakeFrom(LayerQueue queue, long now, RequestBatch batch)
    {
        // Of equals, those that were not served go first.
        _turns.Remove(queue);
        _turns.Add(queue);
        for (LayerQueue? from = queue; from is not null && TakeAllThatFit(from, now, batch); from = from.Lower)
        {
        }

        batch.LeftOthers = _waitingTokens > 0;
        _runningTokens += batch.Tokens;
        batch.Processors = 0;
        batch.Expected = 0;
        if (batch.Requests.Count > 0)
        {
            batch.Expected = queue.Layer.Times.Expected(batch.Tokens);
            batch.Processors = TakeProcessors(queue.Layer, batch.Tokens, callers: 0);
            if (batch.Processors == 0)
            {
                // A caller took the last one in between: for once there is one forward more than processors.
                batch.Processors = 1;
                Interlocked.Increment(ref _inside);
            }

            Volatile.Write(ref _longest, Math.Max(_longest, batch.Expected));
            Share(batch).Use(Charge(batch));
        }

        batch.WantsHelp = batch.LeftOthers && _sleepers == 0 && Busy < _processors;
        Wake();
    }

    // False where one was left for the next batch.
    private bool TakeAllThatFit(LayerQueue queue, long now, RequestBatch batch)
    {
        while (queue.First is { } request)
        {
            bool expired = request.DeadlineAt <= now;
            if (!expired && batch.Requests.Count > 0
                && (request.Tokens > queue.Layer.MaxBatchTokens - batch.Tokens || !queue.Layer.Times.Pays(batch.Tokens, request.Tokens)))
            {
                return false;
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

        return true;
    }

    // One runner, where there is something for it; all at the end.
    private void Wake()
    {
        if (IsOver)
        {
            WakeAll();
        }
        else if (_waitingTokens > 0 && _woken < _sleepers && Busy < _processors)
        {
            _woken++;
            Monitor.Pulse(_gate);
        }
    }

    private void WakeAll()
    {
        if (_woken < _sleepers)
        {
            _woken = _sleepers;
            Monitor.PulseAll(_gate);
        }
    }
}
