namespace NativeFfn.GpuComparison.Measuring;

/// <summary>How many copies of weights take turns, so that each has left the device's cache before its next turn.</summary>
/// <param name="Copies">Copies; 2 or more.</param>
/// <param name="IsPastCache">Whether they are enough; weights far smaller than the cache would need too many.</param>
internal sealed record Rotation(int Copies, bool IsPastCache)
{
    // What passes through the cache between two turns of a copy, in caches: a cache keeps some of what it should have let go.
    private const int Caches = 2;

    // Beyond, weights are of no size that anybody would measure this way.
    private const int MostCopies = 64;

    /// <summary>The copies that weights of a size need.</summary>
    /// <param name="weightBytes">Bytes of one copy; positive.</param>
    /// <param name="cacheBytes">Bytes of the device's largest cache; not negative.</param>
    public static Rotation Of(long weightBytes, long cacheBytes)
    {
        long others = Math.Max(1, ((Caches * cacheBytes) + weightBytes - 1) / weightBytes);
        return new Rotation((int)Math.Min(others + 1, MostCopies), others < MostCopies);
    }
}
