using System.Diagnostics;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>Waits until no other thread of this process computes any more.</summary>
/// <remarks>
/// Thread pools of some libraries spin for many milliseconds after a call, in the hope of another one, and would take a processor from
/// whoever runs next. Threads are asked for their state, as their times are only counted at the ticks of a clock.
/// </remarks>
internal static class QuietProcess
{
    private const string LinuxThreads = "/proc/self/task";

    // The field after the command's name, which stands in brackets and may hold anything: proc(5).
    private const string EndOfName = ") ";
    private const char Running = 'R';

    // A thread that yields or sleeps shortly is missed by one look.
    private const int QuietLooks = 3;

    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    // Where threads cannot be asked.
    private static readonly TimeSpan BlindPause = TimeSpan.FromMilliseconds(50);

    public static void Wait()
    {
        if (!Directory.Exists(LinuxThreads))
        {
            Thread.Sleep(BlindPause);
            return;
        }

        long start = Stopwatch.GetTimestamp();
        for (int quiet = 0; quiet < QuietLooks && Stopwatch.GetElapsedTime(start) < Patience;)
        {
            Thread.Sleep(BetweenLooks);

            // One of them is the thread that looks.
            quiet = Directory.EnumerateDirectories(LinuxThreads).Count(IsRunning) > 1 ? 0 : quiet + 1;
        }
    }

    private static bool IsRunning(string thread)
    {
        try
        {
            string status = File.ReadAllText(Path.Combine(thread, "stat"));
            return status[status.LastIndexOf(EndOfName, StringComparison.Ordinal) + EndOfName.Length] == Running;
        }
        catch (IOException)
        {
            // It has ended since the folder was listed.
            return false;
        }
    }
}
