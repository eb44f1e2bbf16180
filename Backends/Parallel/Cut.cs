namespace NativeFfn.Backends.Parallel;

/// <summary>A part of something that is cut: neighbouring rows, columns or experts.</summary>
/// <param name="First">The first.</param>
/// <param name="Count">How many.</param>
internal readonly record struct Cut(int First, int Count)
{
    /// <summary>What a row has so many of that stay together; the last may be filled in part.</summary>
    public static int Units(int length, int unit) => (int)(((long)length + unit - 1) / unit);

    /// <summary>One of so many parts, as even as units allow; empty only where there are more parts than units.</summary>
    /// <param name="length">The whole.</param>
    /// <param name="unit">What stays together.</param>
    /// <param name="part">The part, from 0.</param>
    /// <param name="parts">Parts.</param>
    public static Cut Of(int length, int unit, int part, int parts)
    {
        long units = Units(length, unit);
        int first = Border(part);
        return new Cut(first, Border(part + 1) - first);

        int Border(int index) => (int)Math.Min(units * index / parts * unit, length);
    }
}
