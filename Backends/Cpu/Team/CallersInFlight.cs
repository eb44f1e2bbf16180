namespace NativeFfn.Backends.Cpu.Team;

/// <summary>Callers of a team that run forwards worth sharing, and the processors that they leave idle.</summary>
internal sealed class CallersInFlight
{
    private readonly int _processors = Environment.ProcessorCount;

    private int _callers;

    /// <summary>Processors without a caller: so many helpers take nobody's time. Other engines and processes are not seen.</summary>
    public int IdleProcessors => Math.Max(0, _processors - Volatile.Read(ref _callers));

    /// <summary>A caller begins; <see cref="Leave"/> follows.</summary>
    public void Enter() => Interlocked.Increment(ref _callers);

    /// <summary>A caller is done.</summary>
    public void Leave() => Interlocked.Decrement(ref _callers);
}
