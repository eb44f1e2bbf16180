using NativeFfn.Backends.Activations;

namespace NativeFfn.Checkpoints.Families;

/// <summary>The quantile of the standard normal distribution, √2 · erf⁻¹(2p − 1), with the roundings of float32.</summary>
/// <remarks>
/// Gemma 3n's code computes it so, and a sieve is as far off as its threshold: the exact value differs in the seventh digit. A
/// rational function to start with, then two steps of Newton's method, each operation rounded.
/// </remarks>
internal static class NormalQuantile
{
    // Where one rational function takes over from the other.
    private const float Central = 0.7f;

    private const float TwoOverRootPi = 1.1283791670955126f;
    private const float RootTwo = 1.4142135623730951f;

    /// <summary>The quantile of a share from 0 to below 1; 0 for the share 0, which is no sieve at all.</summary>
    public static float Of(float share) => share == 0 ? 0 : InverseErf((2 * share) - 1) * RootTwo;

    private static float InverseErf(float y)
    {
        float size = MathF.Abs(y);
        float x = size <= Central ? InCentre(y) : MathF.CopySign(InTail(MathF.Sqrt(-MathF.Log((1 - size) / 2))), y);
        for (int i = 0; i < 2; i++)
        {
            x -= ((float)ErrorFunction.Erf(x) - y) / (TwoOverRootPi * MathF.Exp(-x * x));
        }

        return x;
    }

    private static float InCentre(float y)
    {
        float z = y * y;
        float over = (((((-0.140543331f * z) + 0.914624893f) * z) - 1.645349621f) * z) + 0.886226899f;
        float under = (((((((0.012229801f * z) - 0.329097515f) * z) + 1.442710462f) * z) - 2.118377725f) * z) + 1;
        return y * over / under;
    }

    private static float InTail(float z)
    {
        float over = (((((1.641345311f * z) + 3.429567803f) * z) - 1.624906493f) * z) - 1.970840454f;
        float under = (((1.637067800f * z) + 3.543889200f) * z) + 1;
        return over / under;
    }
}
