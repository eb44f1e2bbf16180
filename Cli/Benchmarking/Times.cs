namespace NativeFfn.Cli.Benchmarking;

/// <summary>Times of one piece of work, in milliseconds.</summary>
/// <param name="MedianMs">The median.</param>
/// <param name="MinMs">The shortest.</param>
/// <param name="P95Ms">What 95 % of them did not pass.</param>
/// <param name="P99Ms">What 99 % of them did not pass.</param>
/// <param name="Runs">How many they are of.</param>
/// <param name="Disturbed">Whether other processes were busy and left too few runs alone to leave the others out.</param>
internal sealed record Times(double MedianMs, double MinMs, double P95Ms, double P99Ms, int Runs, bool Disturbed = false)
{
    /// <summary>Sums up some times.</summary>
    /// <param name="milliseconds">One at least.</param>
    public static Times Of(IReadOnlyCollection<double> milliseconds) => new(
        Median(milliseconds), milliseconds.Min(), Percentile(milliseconds, 0.95), Percentile(milliseconds, 0.99), milliseconds.Count);

    /// <summary>The smallest of some numbers that a part of them does not pass: the nearest rank.</summary>
    /// <param name="values">One at least.</param>
    /// <param name="part">The part, above 0 and to 1.</param>
    public static double Percentile(IReadOnlyCollection<double> values, double part)
    {
        double[] sorted = [.. values.Order()];
        return sorted[(int)Math.Ceiling(part * sorted.Length) - 1];
    }

    /// <summary>The middle number, or the mean of the two in the middle.</summary>
    /// <param name="values">One at least.</param>
    public static double Median(IReadOnlyCollection<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
