using System.Runtime.CompilerServices;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>Rows of a block type of ggml. They are only ever read.</summary>
/// <typeparam name="TBlock">The block type.</typeparam>
internal class GgmlEncoding<TBlock>() : WeightEncoding(TBlock.Name, TBlock.Columns, TBlock.Bytes)
    where TBlock : struct, IGgmlBlock
{
    /// <inheritdoc/>
    public override bool HoldsNonFinite => true;

    /// <inheritdoc/>
    [SkipLocalsInit]
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        row = row[(firstColumn / TBlock.Columns * TBlock.Bytes)..];
        for (; weights.Length >= TBlock.Columns; weights = weights[TBlock.Columns..])
        {
            TBlock.Decode(row[..TBlock.Bytes], weights[..TBlock.Columns]);
            row = row[TBlock.Bytes..];
        }

        if (!weights.IsEmpty)
        {
            Span<float> whole = stackalloc float[TBlock.Columns];
            TBlock.Decode(row[..TBlock.Bytes], whole);
            whole[..weights.Length].CopyTo(weights);
        }
    }
}
