namespace NativeFfn.Backends.Encodings;

/// <summary>IEEE double precision: 8 bytes a weight, rounded to the nearest float32 when it is read. Nothing is converted to it.</summary>
internal sealed class Float64Encoding() : WeightEncoding("f64", blockColumns: 1, blockBytes: sizeof(double))
{
    /// <inheritdoc/>
    public override bool HoldsNonFinite => true;

    /// <inheritdoc/>
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        ReadOnlySpan<double> source = Numbers<double>(row).Slice(firstColumn, weights.Length);
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = (float)source[i];
        }
    }
}
