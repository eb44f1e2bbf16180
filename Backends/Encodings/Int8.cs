using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>
/// 8-bit integers with a float32 scale for each 32 neighbouring weights, 1.125 bytes a weight: w ≈ scale · q, scale = max|w| / 127.
/// </summary>
/// <remarks>A block is the scale, then 32 bytes. The last block of a row may have fewer weights; zeros fill it.</remarks>
internal sealed class Int8Encoding() : WeightEncoding("int8", blockColumns: Group, blockBytes: ScaleBytes + Group)
{
    /// <summary>Weights to a scale.</summary>
    public const int Group = 32;

    /// <summary>Bytes of a scale.</summary>
    public const int ScaleBytes = sizeof(float);

    // Of codes that are counted from the smallest, the sign bit inverted.
    private const byte Zero = 128;

    // The largest magnitude of an int8 on both sides of zero.
    private const float Largest = 127;

    /// <inheritdoc/>
    public override FfnPrecision? Precision => FfnPrecision.Int8;

    /// <inheritdoc/>
    public override double? Error => 5.3e-3;

    /// <inheritdoc/>
    public override CodeForm? Codes { get; } = new(8, Group) { Zero = Zero };

    /// <inheritdoc/>
    public override CodeScale ReadCodes(ReadOnlySpan<byte> row, int firstColumn, Span<byte> codes)
    {
        ReadOnlySpan<byte> block = row.Slice(firstColumn / Group * BlockBytes, BlockBytes);
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = (byte)(block[ScaleBytes + i] ^ Zero);
        }

        return new CodeScale(MemoryMarshal.Read<float>(block));
    }

    /// <inheritdoc/>
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        for (int block = firstColumn / Group; !weights.IsEmpty; block++)
        {
            ReadOnlySpan<byte> bytes = row.Slice(block * BlockBytes, BlockBytes);
            float scale = MemoryMarshal.Read<float>(bytes);
            ReadOnlySpan<sbyte> steps = Numbers<sbyte>(bytes[ScaleBytes..]);
            int count = Math.Min(Group, weights.Length);
            for (int i = 0; i < count; i++)
            {
                weights[i] = scale * steps[i];
            }

            weights = weights[count..];
        }
    }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<float> weights, Span<byte> row)
    {
        row.Clear();
        for (; !weights.IsEmpty; row = row[BlockBytes..])
        {
            int count = Math.Min(Group, weights.Length);
            EncodeGroup(weights[..count], row);
            weights = weights[count..];
        }
    }

    private static void EncodeGroup(ReadOnlySpan<float> weights, Span<byte> block)
    {
        float largest = 0;
        foreach (float weight in weights)
        {
            // NaN and infinity must come out, to be refused.
            largest = Math.Max(largest, Math.Abs(weight));
        }

        float scale = largest / Largest;
        Span<sbyte> steps = Numbers<sbyte>(block[ScaleBytes..]);
        for (int i = 0; i < weights.Length; i++)
        {
            // In float64, where the reciprocal of a tiny scale is still a number.
            double step = scale == 0 ? 0 : Math.Clamp(Math.Round(weights[i] / (double)scale), -Largest, Largest);
            steps[i] = double.IsFinite(step) ? (sbyte)step : (sbyte)0;
        }

        MemoryMarshal.Write(block, scale);
    }
}
