namespace NativeFfn.Backends.Parallel;

/// <summary>Proves the arguments of collective operations, alike for every implementation.</summary>
internal static class CollectiveArguments
{
    /// <summary>Proves a rank.</summary>
    public static void RequireRank(int rank, int ranks) =>
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)rank, (uint)ranks, nameof(rank));

    /// <summary>Proves that another operation may be started beside those under way.</summary>
    public static void RequirePlace(int underWay)
    {
        if (underWay == ICollective.MostPending)
        {
            throw new InvalidOperationException($"{underWay} operations are under way, and there are no places for more.");
        }
    }

    /// <summary>Proves that there is an operation to finish.</summary>
    public static void RequireStarted(int underWay)
    {
        if (underWay == 0)
        {
            throw new InvalidOperationException("No operation is under way.");
        }
    }

    /// <summary>Proves counts of bytes: one a rank, none negative, all of the span in sum.</summary>
    public static void RequireCounts(ReadOnlySpan<int> counts, int bytes, int ranks, string name)
    {
        if (counts.Length != ranks)
        {
            throw new ArgumentException($"{name} has {counts.Length} counts, but there are {ranks} ranks.", name);
        }

        long sum = 0;
        foreach (int count in counts)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(count, name);
            sum += count;
        }

        if (sum != bytes)
        {
            throw new ArgumentException($"{name} counts {sum} bytes, but there are {bytes}.", name);
        }
    }
}
