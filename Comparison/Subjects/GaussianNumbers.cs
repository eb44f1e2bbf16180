namespace NativeFfn.Comparison.Subjects;

/// <summary>Normally distributed numbers of a seed, by the transform of Box and Muller (1958).</summary>
internal sealed class GaussianNumbers(int seed)
{
    private readonly Random _random = new(seed);

    /// <summary>Fills with numbers of mean zero.</summary>
    /// <param name="values">What is filled.</param>
    /// <param name="deviation">Their standard deviation.</param>
    public void Fill(Span<float> values, double deviation)
    {
        for (int i = 0; i < values.Length; i += 2)
        {
            // From (0, 1], where the logarithm is a number.
            double radius = deviation * Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble()));
            (double sine, double cosine) = Math.SinCos(2 * Math.PI * _random.NextDouble());
            values[i] = (float)(radius * cosine);
            if (i + 1 < values.Length)
            {
                values[i + 1] = (float)(radius * sine);
            }
        }
    }
}
