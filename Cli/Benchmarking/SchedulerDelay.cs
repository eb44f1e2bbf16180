using System.Globalization;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>How long threads of this process were ready to run and got no processor.</summary>
internal static class SchedulerDelay
{
    private const string LinuxThreads = "/proc/self/task";

    // Nanoseconds on a processor, nanoseconds ready without one, turns: Documentation/scheduler/sched-stats.rst of Linux.
    private const string LinuxStatistics = "schedstat";
    private const int WaitedField = 1;

    /// <summary>The sum over all threads since each started; zero where the system does not tell.</summary>
    public static TimeSpan Read()
    {
        long nanoseconds = 0;
        if (Directory.Exists(LinuxThreads))
        {
            foreach (string thread in Directory.EnumerateDirectories(LinuxThreads))
            {
                nanoseconds += OfThread(Path.Combine(thread, LinuxStatistics));
            }
        }

        return TimeSpan.FromTicks(nanoseconds / TimeSpan.NanosecondsPerTick);
    }

    private static long OfThread(string file)
    {
        try
        {
            return long.Parse(File.ReadAllText(file).Split(' ')[WaitedField], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            // The thread has ended since the folder was listed, or this kernel keeps no such statistics.
            return 0;
        }
    }
}
