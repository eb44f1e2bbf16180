using System.Diagnostics;

namespace NativeFfn.Bench.Small;

/// <summary>Callers that call again as soon as they have their answer, each on a thread of its own.</summary>
internal static class CallerLoops
{
    // A look at the clock costs a part of the smallest forward.
    private const int CallsPerLook = 16;

    /// <summary>Lets all callers call for a while.</summary>
    /// <param name="callers">What each of them calls.</param>
    /// <param name="window">How long.</param>
    /// <returns>Microseconds from a call to its return, on average.</returns>
    public static double MicrosecondsPerCall(Action[] callers, TimeSpan window)
    {
        if (callers.Length == 1)
        {
            return window.TotalMicroseconds / Count(callers[0], window);
        }

        double calls = 0;
        using var start = new Barrier(callers.Length);
        Thread[] threads = [.. callers.Select(caller => new Thread(() =>
        {
            start.SignalAndWait();
            double counted = Count(caller, window);
            lock (start)
            {
                calls += counted;
            }
        }))];
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        return callers.Length * window.TotalMicroseconds / calls;
    }

    // Calls within the window; the last ones end a little behind it and count by their part.
    private static double Count(Action caller, TimeSpan window)
    {
        long begin = Stopwatch.GetTimestamp();
        long calls = 0;
        TimeSpan elapsed;
        do
        {
            for (int i = 0; i < CallsPerLook; i++)
            {
                caller();
            }

            calls += CallsPerLook;
            elapsed = Stopwatch.GetElapsedTime(begin);
        }
        while (elapsed < window);
        return calls * (window / elapsed);
    }
}
