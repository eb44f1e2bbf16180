using System.Diagnostics;

namespace NativeFfn;

/// <summary>The parts of a forward that a profile tells apart.</summary>
public enum FfnStep
{
    /// <summary>The projections: inside the backend's GEMM and nowhere else.</summary>
    Gemm,

    /// <summary>Activation, gate product and bias.</summary>
    Activation,

    /// <summary>Residual and output bias.</summary>
    Residual,

    /// <summary>Norms of a block.</summary>
    Norm,

    /// <summary>Choosing experts, collecting their tokens and adding up their results.</summary>
    Routing,
}

/// <summary>Where the time of profiled forwards went. Forwards on several threads may add to one profile at a time.</summary>
public sealed class FfnProfile
{
    private readonly long[] _ticks = new long[Enum.GetValues<FfnStep>().Length];
    private long _elapsedTicks;
    private long _threadTicks;

    /// <summary>Wall time from entry to return, summed over the profiled forwards.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(0, Volatile.Read(ref _elapsedTicks));

    /// <summary>Time that threads spent working on the profiled forwards, summed over threads: every step and what lies between them.</summary>
    public TimeSpan ThreadTime => Stopwatch.GetElapsedTime(0, Volatile.Read(ref _threadTicks));

    /// <summary>Time in one step, summed over threads.</summary>
    /// <param name="step">The step.</param>
    public TimeSpan TimeIn(FfnStep step) => Stopwatch.GetElapsedTime(0, Volatile.Read(ref _ticks[(int)step]));

    /// <summary>One step's part of <see cref="ThreadTime"/>, 0 to 1; 0 before the first forward.</summary>
    /// <param name="step">The step.</param>
    public double ShareOf(FfnStep step) => ThreadTime == TimeSpan.Zero ? 0 : TimeIn(step) / ThreadTime;

    internal void Add(FfnStep step, long ticks) => Interlocked.Add(ref _ticks[(int)step], ticks);

    internal void AddElapsed(long ticks) => Interlocked.Add(ref _elapsedTicks, ticks);

    internal void AddThreadTime(long ticks) => Interlocked.Add(ref _threadTicks, ticks);
}
