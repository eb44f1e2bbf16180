using System.Diagnostics;
using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Cpu.Team;

/// <summary>Callers of a team that run forwards worth sharing, and the processors that they leave idle.</summary>
internal sealed class CallersInFlight
{
    // Who calls again and again is between two calls now and then, and what it does there needs its processor too.
    private static readonly long Pause = Stopwatch.Frequency / 1000;

    private readonly int _processors = Environment.ProcessorCount;
    private Counters _counters;

    /// <summary>Processors without a caller: so many helpers take nobody's time. Other engines and processes are not seen.</summary>
    public int IdleProcessors => Math.Max(0, _processors - Volatile.Read(ref _counters.Callers));

    /// <summary>A caller begins; <see cref="Leave"/> follows.</summary>
    /// <param name="now">The time, by <see cref="Stopwatch"/>.</param>
    /// <returns>Whether a processor is idle, and no caller that has just left is likely to be back for it.</returns>
    public bool Enter(long now)
    {
        int callers = Interlocked.Increment(ref _counters.Callers);
        if (callers >= _counters.Most || now - _counters.MostAt > Pause)
        {
            _counters.Most = callers;
            _counters.MostAt = now;
        }

        return _counters.Most < _processors;
    }

    /// <summary>A caller is done.</summary>
    public void Leave() => Interlocked.Decrement(ref _counters.Callers);

    // Apart from what every caller reads: a pair of cache lines, as processors fetch them.
    [StructLayout(LayoutKind.Explicit, Size = 3 * LineBytes)]
    private struct Counters
    {
        private const int LineBytes = 128;

        [FieldOffset(LineBytes)]
        public int Callers;

        // The most at once of late, and when they were so many.
        [FieldOffset(LineBytes + sizeof(int))]
        public int Most;

        [FieldOffset(LineBytes + sizeof(long))]
        public long MostAt;
    }
}
