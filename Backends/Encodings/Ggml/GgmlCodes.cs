namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>Rows of a block type of ggml whose codes can be multiplied as they are.</summary>
/// <typeparam name="TBlock">The block type.</typeparam>
internal sealed class GgmlCodes<TBlock> : GgmlEncoding<TBlock>
    where TBlock : struct, ICodeBlock
{
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
}
