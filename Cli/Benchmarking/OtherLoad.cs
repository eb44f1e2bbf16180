using System.Diagnostics;
using System.Globalization;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>How much of the processors others had since it was made: what tells a bad measurement from a bad result.</summary>
internal sealed class OtherLoad
{
    private const string LinuxTimes = "/proc/stat";

    // USER_HZ, in which Linux counts there whatever its own clock does: proc(5).
    private const double TicksPerSecond = 100;

    // The fields of the line "cpu": user, nice, system, idle, iowait, irq, softirq, steal.
    private const int Idle = 3;
    private const int Waiting = 4;
    private const int Fields = 8;

    private readonly double? _busyBefore = BusySeconds();
    private readonly TimeSpan _ownBefore = Own();
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>The part of all processors' time that other processes, or other guests of the host, took: 0 to 1; null where the system does
    /// not tell.</summary>
    public double? Share()
    {
        double seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds * Environment.ProcessorCount;
        return (BusySeconds() - _busyBefore - (Own() - _ownBefore).TotalSeconds) is { } others
            ? Math.Clamp(others / seconds, 0, 1)
            : null;
    }

    private static TimeSpan Own() => Environment.CpuUsage.TotalTime;

    private static double? BusySeconds()
    {
        if (!File.Exists(LinuxTimes))
        {
            return null;
        }

        string[] words = File.ReadLines(LinuxTimes).First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words.Skip(1)
            .Take(Fields)
            .Where(static (_, field) => field is not (Idle or Waiting))
            .Sum(static word => double.Parse(word, CultureInfo.InvariantCulture)) / TicksPerSecond;
    }
}
