using System.Runtime.CompilerServices;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>Rows of a block type of ggml. They are only ever read.</summary>
/// <typeparam name="TBlock">The block type.</typeparam>
internal sealed class GgmlEncoding<TBlock>() : WeightEncoding(TBlock.Name, TBlock.Columns, TBlock.Bytes)
    where TBlock : struct, IGgmlBlock
{
    /// <inheritdoc/>
    public override bool HoldsNonFinite => true;

    /// <inheritdoc/>
    public override CodeForm? Codes => TBlock.Codes;

    /// <inheritdoc/>
    public override CodeScale ReadCodes(ReadOnlySpan<byte> row, int firstColumn, Span<byte> codes)
    {
        Span<byte> unit = stackalloc byte[CodeForm.MostColumns];
        ReadOnlySpan<byte> block = row.Slice(firstColumn / TBlock.Columns * TBlock.Bytes, TBlock.Bytes);
        CodeScale scale = TBlock.ReadCodes(block, firstColumn % TBlock.Columns / TBlock.Codes.UnitColumns, unit);
        unit[..codes.Length].CopyTo(codes);
        return scale;
    }

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
