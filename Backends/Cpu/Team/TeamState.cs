using System.Runtime.ExceptionServices;

namespace NativeFfn.Backends.Cpu.Team;

/// <summary>What the threads of a <see cref="WorkerTeam"/> share. They hold this and not the team, so that a forgotten team can end.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Design", "CA1001", Justification = "The semaphore is never asked for a wait handle, so it owns nothing to dispose; threads may leave it late.")]
internal sealed class TeamState
{
    // Phases of one forward follow each other within microseconds; a thread looks this often before it sleeps, some tens of microseconds.
    private const int SpinsBeforeSleep = 2000;

    private readonly int _workers;
    private readonly CallersInFlight _callers;
    private readonly SemaphoreSlim _wake = new(0);

    // Slices not yet taken in the low half, the number of the job in the high half: a late thread cannot take a slice of a job that is over.
    private long _ticket;
    private int _unfinished;
    private int _sleeping;
    private int _busy;
    private volatile bool _stopping;
    private volatile ISlicedJob? _job;
    private ExceptionDispatchInfo? _failure;

    public TeamState(int workers, CallersInFlight callers)
    {
        _callers = callers;
        _workers = workers;
        for (int i = 1; i <= workers; i++)
        {
            int worker = i;
            try
            {
                new Thread(() => Work(worker)) { IsBackground = true, Name = "NativeFfn worker" }.Start();
            }
            catch (Exception refused) when (refused is OutOfMemoryException or ThreadStartException)
            {
                Stop();
                throw new NotSupportedException(
                    $"Thread {i + 1} of {workers + 1} could not be started: the system allows this process or its user no more (pids.max of its "
                    + $"container, ulimit -u). Raise that limit, or set Threads (--threads) to {i} or less.", refused);
            }
        }
    }

    /// <summary>Shares a job with the threads, or returns false where they are busy with another or there are none.</summary>
    /// <param name="job">The job.</param>
    /// <param name="slices">Its slices, two or more.</param>
    /// <param name="helpers">Threads to be awake for it at most; positive.</param>
    public bool TryRun(ISlicedJob job, int slices, int helpers)
    {
        if (_workers == 0 || _stopping || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            return false;
        }

        _job = job;
        Volatile.Write(ref _unfinished, slices);
        long number = (long)((ulong)Volatile.Read(ref _ticket) >> 32) + 1;
        Interlocked.Exchange(ref _ticket, (number << 32) | (uint)slices);
        WakeSleepers(Math.Min(helpers, slices - 1));

        RunSlices(worker: 0);
        var spinner = new SpinWait();
        while (Volatile.Read(ref _unfinished) != 0)
        {
            spinner.SpinOnce(sleep1Threshold: -1);
        }

        _job = null;
        ExceptionDispatchInfo? failure = _failure;
        _failure = null;
        Volatile.Write(ref _busy, 0);
        failure?.Throw();
        return true;
    }

    /// <summary>Ends the threads once the job in flight is done.</summary>
    public void Stop()
    {
        _stopping = true;
        if (_workers > 0)
        {
            _wake.Release(_workers);
        }
    }

    private void Work(int worker)
    {
        while (!_stopping)
        {
            RunSlices(worker);
            if (!SpinForSlices())
            {
                Sleep();
            }
        }
    }

    // Those that are awake look for work by themselves.
    private void WakeSleepers(int helpers)
    {
        int sleeping = Volatile.Read(ref _sleeping);
        int sleepers = Math.Min(sleeping, helpers - (_workers - sleeping));
        if (sleepers > 0)
        {
            _wake.Release(sleepers);
        }
    }

    // Not on a processor that a caller could use.
    private bool SpinForSlices()
    {
        for (int i = 0; i < SpinsBeforeSleep && _callers.IdleProcessors > 0; i++)
        {
            if (HasSlices())
            {
                return true;
            }

            Thread.SpinWait(1);
        }

        return false;
    }

    // A thread counts itself as asleep before it looks a last time, and a caller publishes its job before it counts, both by Interlocked,
    // a full fence on every processor: one of the two sees the other.
    private void Sleep()
    {
        Interlocked.Increment(ref _sleeping);
        if (!HasSlices() && !_stopping)
        {
            _wake.Wait();
        }

        Interlocked.Decrement(ref _sleeping);
    }

    private bool HasSlices() => (int)Volatile.Read(ref _ticket) != 0;

    private void RunSlices(int worker)
    {
        while (TryTakeSlice(out int slice))
        {
            try
            {
                // Whoever holds a slice keeps its job unfinished, so this is that job.
                _job!.RunSlice(slice, worker);
            }
            catch (Exception exception)
            {
                _failure ??= ExceptionDispatchInfo.Capture(exception);
            }

            Interlocked.Decrement(ref _unfinished);
        }
    }

    private bool TryTakeSlice(out int slice)
    {
        while (true)
        {
            long ticket = Volatile.Read(ref _ticket);
            int left = (int)ticket;
            if (left == 0)
            {
                slice = -1;
                return false;
            }

            if (Interlocked.CompareExchange(ref _ticket, ticket - 1, ticket) == ticket)
            {
                slice = left - 1;
                return true;
            }
        }
    }
}
