namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>Rows of a block type of ggml that can be multiplied as the integers that they are.</summary>
/// <typeparam name="TBlock">The block type.</typeparam>
internal sealed class GgmlIntegers<TBlock> : GgmlEncoding<TBlock>
    where TBlock : struct, IIntegerBlock
{
    private const int Group = 32;

    /// <inheritdoc/>
    public override int IntegerBits => TBlock.Bits;

    /// <inheritdoc/>
    public override bool HasOffsets => TBlock.HasOffsets;

    /// <inheritdoc/>
    public override void ReadIntegers(ReadOnlySpan<byte> row, int firstColumn, Span<sbyte> integers, out float scale, out float offset)
    {
        Span<sbyte> group = stackalloc sbyte[Group];
        ReadOnlySpan<byte> block = row.Slice(firstColumn / TBlock.Columns * TBlock.Bytes, TBlock.Bytes);
        (scale, offset) = TBlock.ReadIntegers(block, firstColumn % TBlock.Columns / Group, group);
        group[..integers.Length].CopyTo(integers);
    }
}
