using System.Runtime.InteropServices;
using NativeFfn.Hosting.Batching;

namespace NativeFfn.Hosting.Serving;

/// <summary>Whether a layer's rows can share a forward of a fixed number of rows and keep their bits.</summary>
/// <remarks>
/// <para>
/// With the number fixed, a product is cut and computed in one way only; what is left is a row's place in it. The kernels in C# give a row
/// the same bits anywhere, among any number. MKL 2020.4's sgemm sums differently for 64 rows than for one in almost every layer, and for a
/// fixed number alike in every place, except where a product of few columns is cut by rows into parts of unequal size: seen with 5 to 63
/// rows for two threads. So it is tried and not assumed.
/// </para>
/// <para>
/// In a mixture of experts the number is not fixed: an expert's products have as many rows as tokens were sent to it, the neighbours'
/// among them. No trial shows what other neighbours would bring about, so only where the kernels in C# do all of it may its rows share.
/// </para>
/// </remarks>
internal static class InvarianceCheck
{
    /// <summary>
    /// Rows of every forward at most: so many run as one whole on every backend, as larger forwards may be cut into parts of unequal size.
    /// </summary>
    public const int MaxPaddedTokens = 64;

    /// <summary>Whether requests of a layer may be run together, in whatever mode.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="tokens">Rows of a forward.</param>
    /// <param name="forward">Runs the rows.</param>
    public static bool RowsCanShare(FfnLayer layer, int tokens, LayerForward forward) =>
        (layer.Spec.Mixture is null || layer.Engine.Backend.RowsAreIndependent)
        && layer.Spec.Modes.All(mode => RowsKeepTheirBits(layer, mode, tokens, forward));

    // Every row is run in two places side by side; the second time the last one is gone, and zeros, such as fill a forward up, come first.
    private static bool RowsKeepTheirBits(FfnLayer layer, FfnMode mode, int tokens, LayerForward forward)
    {
        float[] rows = ProbeRows.Make(tokens, layer.Spec.InputWidth);
        float[] moved = new float[rows.Length];
        rows.AsSpan(..^layer.Spec.InputWidth).CopyTo(moved.AsSpan(layer.Spec.InputWidth));
        ReadOnlySpan<float> results = Run(layer, mode, rows, forward);
        ReadOnlySpan<float> movedResults = Run(layer, mode, moved, forward);

        // As bits, because equal numbers are not enough.
        return MemoryMarshal.AsBytes(results[..^layer.Spec.OutputWidth])
            .SequenceEqual(MemoryMarshal.AsBytes(movedResults[layer.Spec.OutputWidth..]));
    }

    private static float[] Run(FfnLayer layer, FfnMode mode, float[] rows, LayerForward forward)
    {
        float[] results = new float[checked(rows.Length / layer.Spec.InputWidth * layer.Spec.OutputWidth)];
        forward(layer, mode, rows, results);
        return results;
    }
}
