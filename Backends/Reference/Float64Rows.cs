namespace NativeFfn.Backends.Reference;

/// <summary>What is computed over whole rows in float64, in place.</summary>
internal static class Float64Rows
{
    /// <summary>Normalises one row.</summary>
    /// <param name="norm">The formula.</param>
    /// <param name="row">The row.</param>
    /// <param name="weight">As many numbers, or none.</param>
    /// <param name="bias">As many numbers, or none.</param>
    public static void Normalize(NormSpec norm, Span<double> row, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias)
    {
        double mean = norm.Kind == NormKind.Layer ? Mean(row) : 0;
        double scale = 1 / Math.Sqrt(Variance(row, mean) + norm.Epsilon);
        for (int i = 0; i < row.Length; i++)
        {
            double factor = weight.IsEmpty ? 1 : weight[i] + (double)norm.WeightOffset;
            row[i] = ((row[i] - mean) * scale * factor) + (bias.IsEmpty ? 0 : bias[i]);
        }
    }

    /// <summary>g = relu(g − (mean + multiplier · std)), with the biased deviation.</summary>
    public static void Sieve(Span<double> row, double multiplier)
    {
        double mean = Mean(row);
        double least = mean + (multiplier * Math.Sqrt(Variance(row, mean)));
        foreach (ref double value in row)
        {
            value = value <= least ? 0 : value - least;
        }
    }

    private static double Mean(ReadOnlySpan<double> row)
    {
        double mean = 0;
        foreach (double value in row)
        {
            mean += value / row.Length;
        }

        return mean;
    }

    private static double Variance(ReadOnlySpan<double> row, double mean)
    {
        double variance = 0;
        foreach (double value in row)
        {
            variance += (value - mean) * (value - mean) / row.Length;
        }

        return variance;
    }
}
