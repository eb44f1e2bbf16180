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
    /// <remarks>A product with the scale is a float32 of its own.</remarks>
    public override CodeForm? Codes { get; } = stored.Codes is { } form ? form with { Scale = ScaleType.Float32 } : null;

    /// <inheritdoc/>
    public override int[]? ColumnOrder => stored.ColumnOrder;

    /// <inheritdoc/>
    public override CodeScale ReadCodes(ReadOnlySpan<byte> row, int firstColumn, Span<byte> codes)
    {
        CodeScale group = stored.ReadCodes(row, firstColumn, codes);
        return group with { Factor = group.Factor * scale, Minimum = group.Minimum * scale };
    }

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
