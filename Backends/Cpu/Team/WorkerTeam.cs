using System.Collections.Immutable;
using NativeFfn.Backends.Cpu.Numa;

namespace NativeFfn.Backends.Cpu.Team;

/// <summary>A job cut into slices that may run in any order, on any thread.</summary>
internal interface ISlicedJob
{
    /// <summary>Runs one slice.</summary>
    /// <param name="slice">From 0.</param>
    /// <param name="worker">Who runs it: below <see cref="WorkerTeam.Workers"/>, and at any time the only one of the job with this number.</param>
    void RunSlice(int slice, int worker);
}

/// <summary>A fixed number of threads that share the slices of one job at a time with the caller.</summary>
/// <remarks>
/// Nobody waits for the team: a caller that finds it busy runs its slices itself, in the same cut and so with the same results. Idle
/// threads sleep. Safe for use by several threads at once; running allocates nothing.
/// </remarks>
internal sealed class WorkerTeam : IDisposable
{
    private readonly TeamState _state;

    /// <summary>Starts a team.</summary>
    /// <param name="threads">Threads that share a job, the caller's included; positive.</param>
    /// <param name="plan">The nodes that threads are bound to; null where they are not.</param>
    /// <exception cref="NotSupportedException">The system allows the process no more threads.</exception>
    public WorkerTeam(int threads, NumaPlan? plan = null)
    {
        Threads = threads;
        Nodes = plan is { IsBound: true } ? plan.Nodes : [NodeShare.Whole(threads)];
        _state = new TeamState(threads, Callers, plan is { IsBound: true } ? plan : null);
    }

    /// <summary>Lets the threads of a team that was never disposed end.</summary>
    ~WorkerTeam() => _state?.Stop();

    /// <summary>Threads that share a job, the caller's included.</summary>
    public int Threads { get; }

    /// <summary>Threads that may run slices of a job, not all at a time: on each of several nodes one more than callers leave room for.</summary>
    public int Workers => _state.Workers;

    /// <summary>The nodes that threads are bound to; one that stands for the machine where they are not.</summary>
    public ImmutableArray<NodeShare> Nodes { get; }

    /// <summary>Why threads are not bound to their nodes; null where all are, or none should be.</summary>
    public string? WhyNotBound => _state.WhyNotBound;

    /// <summary>Who calls.</summary>
    public CallersInFlight Callers { get; } = new();

    /// <summary>Runs every slice and returns when the last is done; each node has its part of them.</summary>
    /// <param name="job">The job.</param>
    /// <param name="slices">Its slices; 0 or more.</param>
    /// <param name="helpers">Threads that there are processors for, beside the caller's; with none the caller runs all slices.</param>
    public void Run(ISlicedJob job, int slices, int helpers = int.MaxValue)
    {
        Span<int> ends = stackalloc int[Nodes.Length];
        for (int i = 0; i < ends.Length; i++)
        {
            ends[i] = (int)Nodes[i].End(slices);
        }

        Run(job, ends, helpers);
    }

    /// <summary>Runs every slice and returns when the last is done.</summary>
    /// <param name="job">The job.</param>
    /// <param name="ends">For each of <see cref="Nodes"/>, where its slices end, which begin where those of the one before it end.</param>
    /// <param name="helpers">Threads that there are processors for, beside the caller's; with none the caller runs all slices.</param>
    public void Run(ISlicedJob job, ReadOnlySpan<int> ends, int helpers)
    {
        int slices = ends[^1];
        if (slices < 2 || helpers < 1 || !_state.TryRun(job, ends, helpers))
        {
            for (int slice = 0; slice < slices; slice++)
            {
                job.RunSlice(slice, worker: 0);
            }
        }

        GC.KeepAlive(this);
    }

    /// <summary>Ends the threads; a job in flight finishes, later ones run on their callers alone.</summary>
    public void Dispose()
    {
        _state.Stop();
        GC.SuppressFinalize(this);
    }
}
