using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings;

/// <summary>Chooses the scale and the codes of a group of 32 weights, w ≈ scale · q, by search: the least squared error, not the largest weight, decides.</summary>
/// <remarks>
/// The scale is a bfloat16, so that whoever reads it in a model's own type reads the same number. Each candidate puts the largest weight
/// at another code, then the scale that fits the codes best, Σ w·q / Σ q², takes its place; as the quantisers of ggml do (llama.cpp).
/// </remarks>
internal static class GroupQuantizer
{
    /// <summary>Weights of a group.</summary>
    public const int Group = 32;

    // Codes of the largest weight that are tried around the largest code, in steps of one.
    private const float FirstCandidate = -2f;
    private const float LastCandidate = 2.5f;
    private const float CandidateStep = 0.25f;

    /// <summary>Quantises a group.</summary>
    /// <param name="weights">At most <see cref="Group"/> weights.</param>
    /// <param name="largest">The largest code; the smallest is -largest - 1.</param>
    /// <param name="codes">Receives as many codes.</param>
    /// <param name="plain">Whether to round to nearest at the scale of the largest weight and search nothing.</param>
    /// <returns>The scale's bits; those of NaN where a weight is not finite.</returns>
    public static ushort Quantize(ReadOnlySpan<float> weights, int largest, Span<sbyte> codes, bool plain = false)
    {
        Span<float> group = stackalloc float[Group];
        group.Clear();
        weights.CopyTo(group);
        float magnitude = 0;
        foreach (float weight in weights)
        {
            // NaN comes through.
            magnitude = Math.Max(magnitude, Math.Abs(weight));
        }

        codes.Clear();
        if (!float.IsFinite(magnitude) || magnitude == 0)
        {
            return BFloat16Encoding.Round(magnitude == 0 ? 0 : float.NaN);
        }

        ushort best = BFloat16Encoding.Round(magnitude / largest);
        double leastError = plain ? 0 : Try(group, BFloat16Encoding.Widen(best), largest, out _);
        for (float candidate = FirstCandidate; !plain && candidate <= LastCandidate; candidate += CandidateStep)
        {
            ushort first = BFloat16Encoding.Round(magnitude / (largest + candidate));
            double error = Try(group, BFloat16Encoding.Widen(first), largest, out float fitted);
            ushort second = BFloat16Encoding.Round(fitted);
            double fittedError = Try(group, BFloat16Encoding.Widen(second), largest, out _);
            (ushort better, double its) = fittedError < error ? (second, fittedError) : (first, error);
            (best, leastError) = its < leastError ? (better, its) : (best, leastError);
        }

        Encode(weights, BFloat16Encoding.Widen(best), largest, codes);
        return best;
    }

    private static void Encode(ReadOnlySpan<float> weights, float scale, int largest, Span<sbyte> codes)
    {
        float inverse = scale == 0 ? 0 : 1 / scale;
        for (int i = 0; i < weights.Length; i++)
        {
            codes[i] = (sbyte)Math.Clamp(MathF.Round(weights[i] * inverse), -largest - 1, largest);
        }
    }

    // The squared error of a group at a scale, and the scale that fits its codes best.
    private static double Try(ReadOnlySpan<float> group, float scale, int largest, out float fitted)
    {
        Vector256<float> inverse = Vector256.Create(scale == 0 ? 0 : 1 / scale);
        Vector256<float> low = Vector256.Create((float)(-largest - 1));
        Vector256<float> high = Vector256.Create((float)largest);
        Vector256<float> error = default, products = default, squares = default;
        for (int i = 0; i < Group; i += Vector256<float>.Count)
        {
            Vector256<float> weights = Vector256.Create(group[i..]);
            Vector256<float> codes = Vector256.Min(Vector256.Max(Vector256.Round(weights * inverse), low), high);
            Vector256<float> missed = weights - (codes * scale);
            error += missed * missed;
            products += weights * codes;
            squares += codes * codes;
        }

        float sum = Vector256.Sum(squares);
        fitted = sum == 0 ? scale : Vector256.Sum(products) / sum;
        return Vector256.Sum(error);
    }
}
