namespace NativeFfn.Cli.Benchmarking;

/// <summary>Counts what a steady call allocates on the managed heap.</summary>
internal static class AllocationMeter
{
    // Few enough to be quick, enough to see a single stray allocation.
    private const int Calls = 16;

    // The runtime's compiler thread allocates too, once in a while; what a call allocates, it allocates in every window.
    private const int Windows = 5;

    /// <summary>Bytes of one call, on all threads together. A part of a byte counts as one, so that nothing rounds to zero.</summary>
    /// <param name="call">The call, made often enough before that nothing in it grows any more.</param>
    public static long BytesPerCall(Action call)
    {
        long least = long.MaxValue;
        for (int window = 0; window < Windows && least > 0; window++)
        {
            // The caller's own count is exact; the process's also sees other threads.
            long processBefore = GC.GetTotalAllocatedBytes(precise: true);
            long threadBefore = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < Calls; i++)
            {
                call();
            }

            long thread = GC.GetAllocatedBytesForCurrentThread() - threadBefore;
            long process = GC.GetTotalAllocatedBytes(precise: true) - processBefore;
            least = Math.Min(least, (Math.Max(thread, process) + Calls - 1) / Calls);
        }

        return least;
    }
}
