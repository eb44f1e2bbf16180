namespace NativeFfn.Backends.Encodings;

/// <summary>float32, 4 bytes a weight.</summary>
internal sealed class Float32Encoding() : WeightEncoding("f32", blockColumns: 1, blockBytes: sizeof(float))
{
    /// <inheritdoc/>
    public override FfnPrecision? Precision => FfnPrecision.Float32;

    /// <inheritdoc/>
    public override double? Error => 0;

    /// <inheritdoc/>
    public override bool HoldsNonFinite => true;

    /// <inheritdoc/>
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights) =>
        Numbers<float>(row).Slice(firstColumn, weights.Length).CopyTo(weights);

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<float> weights, Span<byte> row) => weights.CopyTo(Numbers<float>(row));
}
