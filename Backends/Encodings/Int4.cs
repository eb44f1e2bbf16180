using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>4-bit integers with a bfloat16 scale for each 32 neighbouring weights, 0.5625 bytes a weight: w ≈ scale · q, q from -8 to 7.</summary>
/// <remarks>
/// A block is the scale, then 16 bytes: weight 2i in the lower half of byte i, weight 2i + 1 in the upper, both as two's complement. Scales are
/// those of <see cref="GroupQuantizer"/>. The last block of a row may have fewer weights; zeros fill it.
/// </remarks>
internal sealed class Int4Encoding() : WeightEncoding("int4", blockColumns: GroupQuantizer.Group, blockBytes: ScaleBytes + (GroupQuantizer.Group / 2))
{
    /// <summary>Bytes of a scale.</summary>
    public const int ScaleBytes = sizeof(ushort);

    // Codes as they are stored, counted from the smallest.
    private const int Zero = 8;

    /// <summary>The largest code.</summary>
    public const int Largest = 7;

    /// <inheritdoc/>
    public override FfnPrecision? Precision => FfnPrecision.Int4;

    /// <inheritdoc/>
    public override double? Error => 8.7e-2;

    /// <inheritdoc/>
    public override CodeForm? Codes { get; } = new(4, GroupQuantizer.Group) { Scale = ScaleType.BFloat16, Zero = Zero };

    /// <inheritdoc/>
    public override CodeScale ReadCodes(ReadOnlySpan<byte> row, int firstColumn, Span<byte> codes)
    {
        ReadOnlySpan<byte> block = row.Slice(firstColumn / BlockColumns * BlockBytes, BlockBytes);
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = (byte)(CodeOf(block, i) + Zero);
        }

        return new CodeScale(BFloat16Encoding.Widen(MemoryMarshal.Read<ushort>(block)));
    }

    /// <inheritdoc/>
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        for (int block = firstColumn / BlockColumns; !weights.IsEmpty; block++)
        {
            ReadOnlySpan<byte> bytes = row.Slice(block * BlockBytes, BlockBytes);
            float scale = BFloat16Encoding.Widen(MemoryMarshal.Read<ushort>(bytes));
            int count = Math.Min(BlockColumns, weights.Length);
            for (int i = 0; i < count; i++)
            {
                weights[i] = scale * CodeOf(bytes, i);
            }

            weights = weights[count..];
        }
    }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<float> weights, Span<byte> row)
    {
        Span<sbyte> codes = stackalloc sbyte[GroupQuantizer.Group];
        for (; !weights.IsEmpty; row = row[BlockBytes..])
        {
            int count = Math.Min(BlockColumns, weights.Length);
            MemoryMarshal.Write(row, GroupQuantizer.Quantize(weights[..count], Largest, codes));
            for (int i = 0; i < codes.Length / 2; i++)
            {
                row[ScaleBytes + i] = (byte)((codes[2 * i] & 0xF) | (codes[(2 * i) + 1] << 4));
            }

            weights = weights[count..];
        }
    }

    private static sbyte CodeOf(ReadOnlySpan<byte> block, int weight) => (sbyte)((sbyte)(block[ScaleBytes + (weight / 2)] << (weight % 2 == 0 ? 4 : 0)) >> 4);
}
