using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>The formulas of the kernels in float64.</summary>
internal static class KernelFormulas
{
    public static readonly Func<double, double>[] ActivationFormulas =
    [
        static x => x,
        static x => Math.Max(0, x),
        static x => Math.Max(0, x) * Math.Max(0, x),
        static x => x * Normal(x),
        static x => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        static x => x / (1 + Math.Exp(-1.702 * x)),
        static x => x / (1 + Math.Exp(-x)),
        static x => 1 / (1 + Math.Exp(-x)),
    ];

    public static double Step(NumberFormat number) =>
        number == NumberFormat.Float32 ? 0 : Math.ScaleB(1, -number.MantissaBits - 1);

    private static double Normal(double x)
    {
        // ∫ of the density from far left, by Simpson's rule.
        const int Steps = 4000;
        const double Left = -12;
        double width = (x - Left) / Steps;
        double sum = 0;
        for (int i = 0; i <= Steps; i++)
        {
            double at = Left + (i * width);
            sum += Math.Exp(-at * at / 2) * (i is 0 or Steps ? 1 : i % 2 == 1 ? 4 : 2);
        }

        return sum * width / 3 / Math.Sqrt(2 * Math.PI);
    }

    public static double[] Norm(int kind, ReadOnlySpan<float> row, float[] weight, float[]? bias, double epsilon)
    {
        double[] values = [.. row.ToArray().Select(static x => (double)x)];
        if (kind == 0)
        {
            return values;
        }

        double mean = kind == 3 ? values.Average() : 0;
        double root = Math.Sqrt(values.Average(x => (x - mean) * (x - mean)) + epsilon);
        return [.. values.Select((x, i) => ((x - mean) / root * (weight[i] + (kind == 2 ? 1 : 0))) + (bias?[i] ?? 0))];
    }

    public static double Dot(float[] left, int first, float[] right, int second, int count)
    {
        double sum = 0;
        for (int i = 0; i < count; i++)
        {
            sum += (double)left[first + i] * right[second + i];
        }

        return sum;
    }

    public static float[] Fractions(int count, int seed) => RandomLayers.Uniform(count, seed, factor: 2);
}
