using System.Collections.Immutable;
using System.ComponentModel;
using System.Runtime.ExceptionServices;
using NativeFfn.Backends.Cpu.Numa;

namespace NativeFfn.Backends.Cpu.Team;

/// <summary>What the threads of a <see cref="WorkerTeam"/> share. They hold this and not the team, so that a forgotten team can end.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Design", "CA1001", Justification = "The semaphore is never asked for a wait handle, so it owns nothing to dispose; threads may leave it late.")]
internal sealed class TeamState
{
    // Phases of one forward follow each other within microseconds; a thread looks this often before it sleeps, some tens of microseconds.
    private const int SpinsBeforeSleep = 2000;

    private readonly int _threads;
    private readonly CallersInFlight _callers;
    private readonly NumaPlan? _plan;
    private readonly ImmutableArray<TeamNode> _nodes;
    private readonly int[] _nodeOfProcessor;
    private readonly HelperPlaces _places;
    private readonly SemaphoreSlim _bound = new(0);
    private int _busy;
    private volatile bool _stopping;
    private volatile ISlicedJob? _job;
    private ExceptionDispatchInfo? _failure;

    /// <summary>Starts the threads.</summary>
    /// <param name="threads">Threads that share a job, the caller's included.</param>
    /// <param name="callers">Who calls.</param>
    /// <param name="plan">The nodes that threads are bound to; null where they are not.</param>
    public TeamState(int threads, CallersInFlight callers, NumaPlan? plan)
    {
        (_threads, _callers, _plan) = (threads, callers, plan);

        // A caller takes the place of a helper on the node where it runs: each node has as many threads for a job as it has a share.
        _nodes = plan is null ? [new TeamNode(threads - 1)] : [.. plan.Nodes.Select(static node => new TeamNode(node.Threads))];
        _nodeOfProcessor = plan is null ? [] : NodesOfProcessors(plan.Nodes);
        Workers = 1 + _nodes.Sum(static node => node.Helpers);
        _places = new HelperPlaces(Workers, TimeProvider.System);
        int worker = 0;
        for (int i = 0; i < _nodes.Length; i++)
        {
            for (int helper = 0; helper < _nodes[i].Helpers; helper++)
            {
                Start(++worker, i, helper);
            }
        }

        for (; plan is not null && worker > 0; worker--)
        {
            _bound.Wait();
        }
    }

    /// <summary>Threads that may run slices, a caller's included.</summary>
    public int Workers { get; }

    /// <summary>Why threads are not bound that should be; null where all are.</summary>
    public string? WhyNotBound { get; private set; }

    /// <summary>Shares a job with the threads, or returns false where they are busy with another or there are none.</summary>
    /// <param name="job">The job.</param>
    /// <param name="ends">For each node, where its slices end, which begin where those of the one before it end; two slices or more in all.</param>
    /// <param name="helpers">Threads to be awake for it at most; positive.</param>
    public bool TryRun(ISlicedJob job, ReadOnlySpan<int> ends, int helpers)
    {
        if (_threads == 1 || _stopping || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            return false;
        }

        _job = job;
        int home = HomeOfCaller();
        for (int i = 0; i < _nodes.Length; i++)
        {
            int first = i == 0 ? 0 : ends[i - 1];
            _nodes[i].Offer(first, ends[i] - first);
        }

        if (HaveSleepers())
        {
            _places.MakeWay();
            WakeSleepers(home, ends, helpers);
        }

        RunSlices(worker: 0, home, _nodes[home].Guest);
        var spinner = new SpinWait();
        foreach (TeamNode node in _nodes)
        {
            while (!node.IsDone)
            {
                spinner.SpinOnce(sleep1Threshold: -1);
            }
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
        foreach (TeamNode node in _nodes)
        {
            node.WakeAll();
        }
    }

    /// <summary>Whether a helper of a node has a reason to be awake: slices of its own node, or some that another can spare, or the end.</summary>
    public bool HasWork(TeamNode own)
    {
        if (own.HasSlices || _stopping)
        {
            return true;
        }

        foreach (TeamNode node in _nodes)
        {
            if (node.HasSlicesToSpare && node != own)
            {
                return true;
            }
        }

        return false;
    }

    private static int[] NodesOfProcessors(ImmutableArray<NodeShare> nodes)
    {
        int[] places = new int[nodes.Max(static node => node.Processors[^1]) + 1];
        for (int i = 0; i < nodes.Length; i++)
        {
            foreach (int processor in nodes[i].Processors)
            {
                places[processor] = i;
            }
        }

        return places;
    }

    private void Start(int worker, int node, int place)
    {
        try
        {
            new Thread(() => Work(worker, node, place)) { IsBackground = true, Name = "NativeFfn worker" }.Start();
        }
        catch (Exception refused) when (refused is OutOfMemoryException or ThreadStartException)
        {
            Stop();
            throw new NotSupportedException(
                $"Thread {worker + 1} of {Workers} could not be started: the system allows this process or its user no more (pids.max of its "
                + $"container, ulimit -u). Raise that limit, or set Threads (--threads) to {worker} or less.", refused);
        }
    }

    private void Work(int worker, int node, int place)
    {
        Bind(node);
        _places.Join(worker);
        while (!_stopping)
        {
            RunSlices(worker, node, place);
            if (!SpinForSlices(_nodes[node]))
            {
                _places.Sleep(worker);
                _nodes[node].Sleep(this);
                _places.Wake(worker);
            }
        }
    }

    // A thread that cannot be bound, as where its processor was taken away since the plan was made, runs where it may.
    private void Bind(int node)
    {
        try
        {
            _plan?.System.Bind(_plan.Nodes[node].Processors);
        }
        catch (Win32Exception refused)
        {
            WhyNotBound = refused.Message;
        }
        finally
        {
            _bound.Release();
        }
    }

    // A caller that runs on no node of the team counts as one of the first.
    private int HomeOfCaller() =>
        _nodes.Length > 1 && Thread.GetCurrentProcessorId() is var processor && (uint)processor < (uint)_nodeOfProcessor.Length
            ? _nodeOfProcessor[processor]
            : 0;

    private bool HaveSleepers()
    {
        foreach (TeamNode node in _nodes)
        {
            if (node.HasSleepers)
            {
                return true;
            }
        }

        return false;
    }

    // As many helpers of each node as its share is of all, but not for the caller's place, nor for slices that there are not.
    private void WakeSleepers(int home, ReadOnlySpan<int> ends, int helpers)
    {
        helpers = Math.Min(helpers, _threads - 1);
        (int able, int wanted) = (0, 0);
        for (int i = 0; i < _nodes.Length; i++)
        {
            bool isHome = i == home;
            able += _nodes[i].Helpers - (isHome && _nodes.Length > 1 ? 1 : 0);
            int upTo = (int)((long)helpers * able / (_threads - 1));
            int slices = ends[i] - (i == 0 ? 0 : ends[i - 1]);
            _nodes[i].Wake(Math.Min(upTo - wanted, isHome ? slices - 1 : slices));
            wanted = upTo;
        }
    }

    // Not on a processor that a caller could use.
    private bool SpinForSlices(TeamNode node)
    {
        for (int i = 0; i < SpinsBeforeSleep && _callers.IdleProcessors > 0; i++)
        {
            if (HasWork(node))
            {
                return true;
            }

            Thread.SpinWait(1);
        }

        return false;
    }

    // A node's slices first. A helper leaves the last ones of another node to that node's threads, which read them faster; a caller leaves
    // none, as nobody else may be awake.
    private void RunSlices(int worker, int home, int place)
    {
        for (int i = 0; i < _nodes.Length; i++)
        {
            TeamNode node = _nodes[(home + i) % _nodes.Length];
            while ((i == 0 || worker == 0 || node.HasSlicesToSpare) && node.TryTake(i == 0 ? place : node.Guest, out int slice))
            {
                RunSlice(node, slice, worker);
            }
        }
    }

    private void RunSlice(TeamNode node, int slice, int worker)
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

        node.Done();
    }
}
