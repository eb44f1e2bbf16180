namespace NativeFfn.Hosting.Serving;

/// <summary>Whether a layer's rows can share a forward of a fixed number of rows and keep their bits.</summary>
/// <remarks>
/// With the number fixed, a product is cut and computed in one way only; what is left is a row's place in it. The kernels in C# give a row
/// the same bits anywhere, among any number. MKL 2020.4's sgemm sums differently for 64 rows than for one in almost every layer, and for a
/// fixed number alike in every place, except where a product of few columns is cut by rows into parts of unequal size: seen with 5 to 63
/// rows for two threads. So it is tried and not assumed.
/// </remarks>
internal static class InvarianceCheck
{
    /// <summary>
    /// Rows of every forward at most: so many run as one whole on every backend, as larger forwards may be cut into parts of unequal size.
    /// </summary>
    public const int MaxPaddedTokens = 64;

    // Any numbers of different sizes and signs: sums of them in another order come out different. The golden ratio spreads them evenly.
    private const double Step = 0.6180339887498949;

    /// <summary>Runs equal rows; if the order of a sum depended on the row's place, their results would differ.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="tokens">Rows of a forward.</param>
    public static bool RowsAreEqualEverywhere(FfnLayer layer, int tokens)
    {
        float[] input = new float[checked(tokens * layer.Spec.InputWidth)];
        float[] output = new float[checked(tokens * layer.Spec.OutputWidth)];
        Span<float> row = input.AsSpan(0, layer.Spec.InputWidth);
        for (int i = 0; i < row.Length; i++)
        {
            row[i] = (float)((2 * (i * Step % 1)) - 1);
        }

        for (int token = 1; token < tokens; token++)
        {
            row.CopyTo(input.AsSpan(token * row.Length));
        }

        layer.Forward(input, output);
        ReadOnlySpan<int> bits = System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(output);
        ReadOnlySpan<int> first = bits[..layer.Spec.OutputWidth];
        for (int token = 1; token < tokens; token++)
        {
            if (!first.SequenceEqual(bits.Slice(token * first.Length, first.Length)))
            {
                return false;
            }
        }

        return true;
    }
}
