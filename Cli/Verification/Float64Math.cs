namespace NativeFfn.Cli.Verification;

/// <summary>Activations and norms in double, written from their formulas and sharing no code with any backend.</summary>
internal static class Float64Math
{
    // Up to here the series loses nothing; from here on the continued fraction converges quickly.
    private const double SeriesLimit = 2;

    // Leave 2e-16 at the limit; further out fewer would do.
    private const int FractionTerms = 60;

    // erfc underflows to zero above this.
    private const double ErfcUnderflow = 27.3;

    /// <summary>f(x) of an activation.</summary>
    public static double Activate(Activation activation, double x) => activation switch
    {
        Activation.Identity => x,
        Activation.Relu => x > 0 || double.IsNaN(x) ? x : 0,
        Activation.SquaredRelu => x > 0 || double.IsNaN(x) ? x * x : 0,
        Activation.Gelu => 0.5 * x * Erfc(-x / Math.Sqrt(2)),
        Activation.GeluTanh => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        Activation.QuickGelu => x * Sigmoid(1.702 * x),
        Activation.Silu => x * Sigmoid(x),
        Activation.Sigmoid => Sigmoid(x),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "No such activation."),
    };

    /// <summary>Normalises one token's row in place.</summary>
    public static void Normalize(NormSpec norm, Span<double> row, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias)
    {
        double mean = 0;
        if (norm.Kind == NormKind.Layer)
        {
            foreach (double value in row)
            {
                mean += value / row.Length;
            }
        }

        double variance = 0;
        foreach (double value in row)
        {
            variance += (value - mean) * (value - mean) / row.Length;
        }

        double scale = 1 / Math.Sqrt(variance + norm.Epsilon);
        double offset = norm.Kind == NormKind.RmsOnePlusWeight ? 1 : 0;
        for (int i = 0; i < row.Length; i++)
        {
            row[i] = ((row[i] - mean) * scale * (offset + weight[i])) + (bias.IsEmpty ? 0 : bias[i]);
        }
    }

    /// <summary>erf(x) to about 1e-15.</summary>
    public static double Erf(double x) => x switch
    {
        < -SeriesLimit => ErfcFraction(-x) - 1,
        > SeriesLimit => 1 - ErfcFraction(x),
        _ => ErfSeries(x),
    };

    /// <summary>erfc(x) = 1 − erf(x), to about 1e-13 of its own size.</summary>
    public static double Erfc(double x) => x switch
    {
        < -SeriesLimit => 2 - ErfcFraction(-x),
        > SeriesLimit => ErfcFraction(x),
        _ => 1 - ErfSeries(x),
    };

    // erf(x) = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (1·3·5···(2n+1)), Abramowitz and Stegun 7.1.6: all terms have one sign.
    private static double ErfSeries(double x)
    {
        double term = x;
        double sum = x;
        for (int n = 1; Math.Abs(term) > Math.Abs(sum) * 1e-17; n++)
        {
            term *= 2 * x * x / ((2 * n) + 1);
            sum += term;
        }

        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    // erfc(x) = e^(−x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))), Abramowitz and Stegun 7.1.14, from the far end.
    private static double ErfcFraction(double x)
    {
        if (x > ErfcUnderflow)
        {
            return 0;
        }

        double tail = x;
        for (int n = FractionTerms; n >= 1; n--)
        {
            tail = x + (0.5 * n / tail);
        }

        return Math.Exp(-x * x) / (Math.Sqrt(Math.PI) * tail);
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
}
