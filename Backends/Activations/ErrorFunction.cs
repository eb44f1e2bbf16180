namespace NativeFfn.Backends.Activations;

/// <summary>The error function in float64.</summary>
internal static class ErrorFunction
{
    // Up to here the series loses nothing; from here on the continued fraction converges quickly.
    private const double SeriesLimit = 2;

    // Leave 2e-16 at the limit; further out fewer would do.
    private const int FractionTerms = 60;

    // erfc underflows to zero above this.
    private const double ErfcUnderflow = 27.3;

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
}
