using System.Diagnostics;

namespace NativeFfn.Comparison.Measuring;

/// <summary>Waits until nobody computes any more.</summary>
/// <remarks>
/// Thread pools of some libraries spin for many milliseconds after a call, in the hope of another one, and would take a processor from
/// whoever runs next.
/// </remarks>
internal static class QuietProcess
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(200);

    // The part of one processor that waiting itself may take.
    private const double QuietShare = 0.2;

    public static void Wait()
    {
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < Patience)
        {
            TimeSpan used = Environment.CpuUsage.TotalTime;
            long look = Stopwatch.GetTimestamp();
            Thread.Sleep(Look);
            if (Environment.CpuUsage.TotalTime - used < QuietShare * Stopwatch.GetElapsedTime(look))
            {
                return;
            }
        }
    }
}
