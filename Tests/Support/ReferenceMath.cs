namespace NativeFfn.Tests.Support;

/// <summary>The activations and what they are made of, in float64, by textbook formulas.</summary>
internal static class ReferenceMath
{
    // Below it the series of erf has no cancellation and few terms; above it the continued fraction of erfc converges fast.
    private const double SeriesLimit = 3;
    private const int ContinuedFractionDepth = 120;

    // gpt-oss's, which every test uses.
    private const double OssLimit = 7;
    private const double OssAlpha = 1.702f;

    private static readonly double SqrtPi = Math.Sqrt(Math.PI);

    public static double Activate(Activation activation, double x, ActivationParameters? parameters = null) => activation.Name switch
    {
        "identity" => x,
        "relu" => Math.Max(0, x),
        "relu2" => Math.Max(0, x) * Math.Max(0, x),
        "gelu" => x * 0.5 * Erfc(-x / Math.Sqrt(2)),
        "gelu-tanh" => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        "quick-gelu" => x * Sigmoid(1.702 * x),
        "silu" => x * Sigmoid(x),
        "sigmoid" => Sigmoid(x),
        "clamped-silu" => Math.Min(x, OssLimit) * Sigmoid(OssAlpha * Math.Min(x, OssLimit)),
        "tanh" => Math.Tanh(x),
        "relu6" => Math.Min(6, Math.Max(0, x)),
        "leaky-relu" => Math.Max(x, 0.01 * x),
        "hard-swish" => x * Math.Min(6, Math.Max(0, x + 3)) / 6,
        "mish" => x * Math.Tanh(Softplus(x)),
        "gelu-10" => Math.Min(10, x * 0.5 * Erfc(-x / Math.Sqrt(2))),
        "xielu" => Xielu(x, parameters ?? new ActivationParameters()),
        _ => throw new ArgumentOutOfRangeException(nameof(activation)),
    };

    /// <summary>What a gated stage multiplies the activated gate with: up itself, unless the activation says otherwise.</summary>
    public static double Factor(Activation activation, double up) => activation.Name switch
    {
        "clamped-silu" => Math.Clamp(up, -OssLimit, OssLimit) + 1,
        _ => up,
    };

    /// <summary>The activation of a name that a test case has.</summary>
    public static Activation Named(string name) =>
        Activation.TryParse(name, out Activation? activation) ? activation : throw new ArgumentException($"No activation is called {name}.");

    /// <summary>ln(1 + eˣ); next to −∞ by its series.</summary>
    public static double Softplus(double x) => x < -15 ? Math.Exp(x) * (1 - (Math.Exp(x) / 2)) : x > 40 ? x : Math.Log(1 + Math.Exp(x));

    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    // Apertus' expanded integral of the ELU.
    private static double Xielu(double x, ActivationParameters numbers) => (numbers.Beta * x) + (x > 0
        ? numbers.PositiveAlpha * x * x
        : numbers.NegativeAlpha * (PowerMinusOne(Math.Min(x, numbers.Epsilon)) - x));

    // eˣ − 1, next to 0 by its series.
    private static double PowerMinusOne(double x) =>
        Math.Abs(x) < 1e-3 ? x * (1 + (x / 2 * (1 + (x / 3 * (1 + (x / 4)))))) : Math.Exp(x) - 1;

    public static double Erf(double x) => Math.Abs(x) < SeriesLimit ? ErfSeries(x) : x < 0 ? ErfcFraction(-x) - 1 : 1 - ErfcFraction(x);

    public static double Erfc(double x) => Math.Abs(x) < SeriesLimit ? 1 - ErfSeries(x) : x < 0 ? 2 - ErfcFraction(-x) : ErfcFraction(x);

    // erf(x) = 2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (1·3·5···(2n+1)); all terms have one sign (Abramowitz and Stegun 7.1.6).
    private static double ErfSeries(double x)
    {
        double term = x;
        double sum = x;
        for (int n = 1; Math.Abs(term) > 1e-18 * Math.Abs(sum); n++)
        {
            term *= 2 * x * x / ((2 * n) + 1);
            sum += term;
        }

        return 2 / SqrtPi * Math.Exp(-x * x) * sum;
    }

    // √π e^(x²) erfc(x) = 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))), for x > 0 (Abramowitz and Stegun 7.1.14).
    private static double ErfcFraction(double x)
    {
        if (double.IsNaN(x))
        {
            return x;
        }

        double tail = x;
        for (int k = ContinuedFractionDepth; k > 0; k--)
        {
            tail = x + (k * 0.5 / tail);
        }

        return Math.Exp(-x * x) / (SqrtPi * tail);
    }
}
