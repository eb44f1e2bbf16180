namespace NativeFfn.Tests.Support;

/// <summary>Values in float64, each with the size that a rounding error of it is relative to.</summary>
/// <remarks>
/// A sum of large terms can come out small by chance, and no float32 code gets such a number right relative to itself. The scale of a sum
/// is therefore the root of its squared terms, which is what the sum would typically be; it travels through the layer beside the value.
/// </remarks>
internal sealed class Estimate
{
    public Estimate(double[] values, double[] scales)
    {
        Values = values;
        Scales = scales;
    }

    public double[] Values { get; }

    public double[] Scales { get; }

    public int Length => Values.Length;

    public static Estimate Exact(ReadOnlySpan<float> values)
    {
        double[] wide = new double[values.Length];
        double[] scales = new double[values.Length];
        for (int i = 0; i < wide.Length; i++)
        {
            wide[i] = values[i];
            scales[i] = Math.Abs(wide[i]);
        }

        return new Estimate(wide, scales);
    }

    public Estimate Prefix(int length) => new(Values[..length], Scales[..length]);

    public Estimate Select(Func<double, double> value, Func<double, double, double> scale)
    {
        double[] values = Array.ConvertAll(Values, x => value(x));
        double[] scales = new double[Length];
        for (int i = 0; i < scales.Length; i++)
        {
            scales[i] = Math.Max(Math.Abs(values[i]), scale(Values[i], Scales[i]));
        }

        return new Estimate(values, scales);
    }

    public Estimate Times(Estimate other)
    {
        double[] values = new double[Length];
        double[] scales = new double[Length];
        for (int i = 0; i < Length; i++)
        {
            values[i] = Values[i] * other.Values[i];
            scales[i] = Scales[i] * other.Scales[i];
        }

        return new Estimate(values, scales);
    }

    /// <summary>Every value times an exact factor, which may depend on its place.</summary>
    public Estimate Times(Func<int, double> factor) => new(
        [.. Values.Select((value, i) => value * factor(i))], [.. Scales.Select((scale, i) => scale * Math.Abs(factor(i)))]);

    public Estimate Plus(Estimate other)
    {
        double[] values = new double[Length];
        double[] scales = new double[Length];
        for (int i = 0; i < Length; i++)
        {
            values[i] = Values[i] + other.Values[i];
            scales[i] = Scales[i] + other.Scales[i];
        }

        return new Estimate(values, scales);
    }
}
