namespace NativeFfn.Cli.Benchmarking;

/// <summary>How many copies of weights take turns, so that each has left the last cache before its next turn and comes from memory.</summary>
/// <param name="Copies">Copies; 1 or more.</param>
/// <param name="IsPastCache">Whether they are enough; weights far smaller than the cache would need too many.</param>
internal sealed record WeightRotation(int Copies, bool IsPastCache)
{
    // What passes through a device's cache between two turns of a copy, in caches: a cache keeps some of what it should have let go.
    private const int DeviceCaches = 2;

    // Beyond, weights are of no size that anybody would measure this way.
    private const int MostDeviceCopies = 64;

    /// <summary>The copies that weights of a size need in a GPU's memory; 2 or more.</summary>
    /// <param name="weightBytes">Bytes of one copy; positive.</param>
    /// <param name="cacheBytes">Bytes of the device's largest cache; not negative.</param>
    public static WeightRotation OnDevice(long weightBytes, long cacheBytes)
    {
        long others = Math.Max(1, ((DeviceCaches * cacheBytes) + weightBytes - 1) / weightBytes);
        return new WeightRotation((int)Math.Min(others + 1, MostDeviceCopies), others < MostDeviceCopies);
    }

    /// <summary>The number of copies, and whether they are still in the cache when their next turn comes.</summary>
    public override string ToString() => IsPastCache ? $"{Copies}" : $"{Copies} (in cache)";
}

/// <summary>What bounds the copies of weights that take turns on a CPU.</summary>
/// <param name="CacheBytes">Bytes of the last cache.</param>
/// <param name="MemoryBytes">Bytes that all copies of one subject may take together.</param>
/// <param name="MostCopies">Copies at most; 1 leaves weights in the cache where they fit.</param>
internal sealed record RotationLimits(long CacheBytes, long MemoryBytes, int MostCopies)
{
    /// <summary>Bytes that all copies read in a round, in caches: then even a cache that keeps some of what is old has let go of every one.</summary>
    public const int Caches = 4;

    // Smaller weights stay in the cache: making thousands of layers takes longer than measuring them.
    private const int CopiesInMemory = 128;

    // All subjects of a comparison may take this part of the machine's memory.
    private const int MemoryParts = 3;

    /// <summary>Bytes that a round of copies must read to come from memory.</summary>
    public long RoundBytes => Caches * CacheBytes;

    /// <summary>This machine's.</summary>
    /// <param name="resident">Whether one copy stays where it is, in the cache if it fits.</param>
    /// <param name="subjects">Subjects that share the memory.</param>
    public static RotationLimits Here(bool resident, int subjects) => new(
        LastLevelCache.Bytes, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / MemoryParts / Math.Max(1, subjects), resident ? 1 : CopiesInMemory);

    /// <summary>The copies that weights need.</summary>
    /// <param name="readBytes">Bytes of one copy that a forward reads; positive.</param>
    /// <param name="storedBytes">Bytes of one copy.</param>
    public WeightRotation Of(long readBytes, long storedBytes)
    {
        long needed = Math.Max(1, (RoundBytes + readBytes - 1) / readBytes);
        long possible = Math.Clamp(MemoryBytes / storedBytes, 1, MostCopies);
        return new WeightRotation((int)Math.Min(needed, possible), needed <= possible);
    }
}
