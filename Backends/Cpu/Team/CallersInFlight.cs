namespace NativeFfn.Backends.Cpu.Team;

/// <summary>Callers of this process that run forwards worth sharing, of whatever engine, and the processors that they leave idle.</summary>
internal static class CallersInFlight
{
    private static readonly int Processors = Environment.ProcessorCount;

    private static int _callers;

    /// <summary>Processors without a caller: so many helpers take nobody's time. Other processes are not seen.</summary>
    public static int IdleProcessors => Math.Max(0, Processors - Volatile.Read(ref _callers));

    /// <summary>A caller begins; <see cref="Leave"/> follows.</summary>
    public static void Enter() => Interlocked.Increment(ref _callers);

    /// <summary>A caller is done.</summary>
    public static void Leave() => Interlocked.Decrement(ref _callers);
}
