using System.Numerics;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Software;

/// <summary>Sums, norms, scales and activations of rows, in float32.</summary>
internal static class RowMath
{
    // Largest e4m3 number; and the least scale, under which quotients would be inexact.
    private const float SmallestScale = 1.17549435e-38f;

    private static readonly Dictionary<string, Func<float, KindArguments, float>> Activations = new()
    {
        ["identity"] = static (x, _) => x,
        ["relu"] = static (x, _) => x < 0 ? 0 : x,
        ["relu2"] = static (x, _) => x < 0 ? 0 : x * x,
        ["gelu"] = static (x, _) => (float)(x * NormalDistribution.Below(x)),
        ["gelu-tanh"] = static (x, _) => x / (1 + MathF.Exp(-2 * 0.7978845608f * (x + (0.044715f * x * x * x)))),
        ["quick-gelu"] = static (x, _) => x / (1 + MathF.Exp(-1.702f * x)),
        ["silu"] = static (x, _) => x / (1 + MathF.Exp(-x)),
        ["sigmoid"] = static (x, _) => 1 / (1 + MathF.Exp(-x)),
        ["clamped-silu"] = static (x, kind) => MathF.Min(x, kind.Limit) / (1 + MathF.Exp(-kind.Alpha * MathF.Min(x, kind.Limit))),
        ["tanh"] = static (x, _) => MathF.Tanh(x),
        ["relu6"] = static (x, _) => x < 0 ? 0 : MathF.Min(x, 6),
        ["leaky-relu"] = static (x, _) => MathF.Max(x, 0.01f * x),
        ["hard-swish"] = static (x, _) => x * (MathF.Max(0, MathF.Min(x + 3, 6)) / 6),
        ["mish"] = static (x, _) => (float)(x * Math.Tanh(Math.Log(1 + Math.Exp(x)))),
        ["gelu-10"] = static (x, _) => MathF.Min((float)(x * NormalDistribution.Below(x)), 10),
        ["xielu"] = static (x, kind) => (kind.Beta * x) + (x > 0
            ? kind.PositiveAlpha * x * x
            : (float)(kind.NegativeAlpha * (Math.Exp(Math.Min(x, kind.Epsilon)) - 1 - x))),
    };

    // Of those activations whose gate is no plain product.
    private static readonly Dictionary<string, Func<float, float, KindArguments, float>> Gates = new()
    {
        ["clamped-silu"] = static (y, up, kind) => y * (Math.Clamp(up, -kind.Limit, kind.Limit) + kind.UpOffset),
    };

    /// <summary>Σ left · right, of partial sums as wide as a vector.</summary>
    public static float Dot(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        Vector<float> sums = Vector<float>.Zero;
        int i = 0;
        for (; i <= left.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            sums += new Vector<float>(left[i..]) * new Vector<float>(right[i..]);
        }

        float sum = Vector.Sum(sums);
        for (; i < left.Length; i++)
        {
            sum += left[i] * right[i];
        }

        return sum;
    }

    /// <summary>Norms a row in place. Kinds: 0 none, 1 RMS, 2 layer norm of the biased variance.</summary>
    public static void Norm(in KernelRun run, in NormArguments norm, Span<float> row)
    {
        if (norm.Kind == 0)
        {
            return;
        }

        run.Require(norm.Kind is 1 or 2, $"there is no norm {norm.Kind}.");
        float[]? weight = norm.Weight == 0 ? null : run.Read(NumberFormat.Float32, norm.Weight, 0, row.Length);
        float[]? bias = norm.Bias == 0 ? null : run.Read(NumberFormat.Float32, norm.Bias, 0, row.Length);
        float mean = norm.Kind == 2 ? Sum(row, 0, power: 1) / row.Length : 0;
        float scale = 1 / MathF.Sqrt((Sum(row, mean, power: 2) / row.Length) + norm.Epsilon);
        for (int i = 0; i < row.Length; i++)
        {
            float factor = norm.WeightOffset + (weight is null ? 1 : weight[i]);
            row[i] = ((row[i] - mean) * scale * factor) + (bias is null ? 0 : bias[i]);
        }
    }

    /// <summary>max|row| / 448; 1 for a row of zeros and for one that is not finite.</summary>
    public static float Scale(ReadOnlySpan<float> row)
    {
        float largest = 0;
        foreach (float value in row)
        {
            if (!float.IsFinite(value))
            {
                return 1;
            }

            largest = MathF.Max(largest, MathF.Abs(value));
        }

        return largest == 0 ? 1 : MathF.Max(largest / (float)NumberFormat.E4M3.Largest, SmallestScale);
    }

    /// <summary>The activation of a number in the product's table, by a formula of this device's own.</summary>
    public static float Activate(in KernelRun run, in KindArguments kind, float x)
    {
        run.Require(kind.Activation >= 0 && kind.Activation < Activation.All.Length, $"there is no activation {kind.Activation}.");
        return Activations[Activation.All[kind.Activation].Name](x * kind.InputFactor, kind);
    }

    /// <summary>A gated stage's result of an activated gate and its up.</summary>
    public static float Gate(in KindArguments kind, float y, float up) =>
        Gates.TryGetValue(Activation.All[kind.Activation].Name, out Func<float, float, KindArguments, float>? gate) ? gate(y, up, kind) : y * up;

    // Σ (value - shift)^power, of partial sums as the threads of a block have them.
    private static float Sum(ReadOnlySpan<float> row, float shift, int power)
    {
        Span<float> partial = stackalloc float[KernelGrid.BlockThreads];
        partial.Clear();
        for (int i = 0; i < row.Length; i++)
        {
            float value = row[i] - shift;
            partial[i % partial.Length] += power == 1 ? value : value * value;
        }

        for (int half = partial.Length / 2; half > 0; half /= 2)
        {
            for (int i = 0; i < half; i++)
            {
                partial[i] += partial[i + half];
            }
        }

        return partial[0];
    }
}

/// <summary>The normal distribution in float64.</summary>
internal static class NormalDistribution
{
    // Beyond it the continued fraction converges fast; below it the series does.
    private const double SeriesEnd = 3;
    private const int FractionTerms = 60;

    /// <summary>The probability of less than x, accurate in relative terms in both tails.</summary>
    public static double Below(double x)
    {
        if (double.IsNaN(x) || double.IsInfinity(x))
        {
            return double.IsNaN(x) ? x : x > 0 ? 1 : 0;
        }

        return x < 0 ? Above(-x) : 1 - Above(x);
    }

    private static double Above(double x)
    {
        double density = Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
        if (x < SeriesEnd)
        {
            // Φ(x) = ½ + φ(x) (x + x³/3 + x⁵/15 + …).
            double term = x;
            double sum = x;
            for (int odd = 3; Math.Abs(term) > 1e-18 * Math.Abs(sum); odd += 2)
            {
                term *= x * x / odd;
                sum += term;
            }

            return 0.5 - (density * sum);
        }

        // 1 - Φ(x) = φ(x) / (x + 1/(x + 2/(x + 3/(x + …)))).
        double fraction = x;
        for (int k = FractionTerms; k > 0; k--)
        {
            fraction = x + (k / fraction);
        }

        return density / fraction;
    }
}
