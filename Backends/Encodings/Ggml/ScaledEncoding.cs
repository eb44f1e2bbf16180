namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>An encoding whose weights have one more scale, which is not stored in the row: w = scale · stored, rounded once.</summary>
/// <param name="stored">How a row is stored.</param>
/// <param name="scale">The scale.</param>
internal sealed class ScaledEncoding(WeightEncoding stored, float scale)
    : WeightEncoding(stored.Name, stored.BlockColumns, stored.BlockBytes)
{
    /// <inheritdoc/>
    public override int HeaderBytes => stored.HeaderBytes;

    /// <inheritdoc/>
    public override bool HoldsNonFinite => stored.HoldsNonFinite;

    /// <inheritdoc/>
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        stored.Decode(row, firstColumn, weights);
        foreach (ref float weight in weights)
        {
            weight *= scale;
        }
    }
}
