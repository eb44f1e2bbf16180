using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = f16(52) · (t - 1); five trits t to a byte of the first 48, the first of 32 bytes together, then of 16; four to each of the last
/// four.
/// </summary>
/// <remarks>
/// A byte is the number of its trits over 3^5, in 256ths, rounded up: multiplying by 3 makes the next trit carry out of it.
/// </remarks>
internal readonly struct TQ1_0 : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "tq1_0";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 54;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(2, 256) { Scale = ScaleType.Float16, Zero = 1 };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        for (int i = 0; i < codes.Length; i++)
        {
            int column = (group * codes.Length) + i;
            (int at, int trit) = column < 160 ? (column % 32, column / 32)
                : column < 240 ? (32 + (column % 16), (column - 160) / 16)
                : (48 + (column % 4), (column - 240) / 4);
            byte power = 1;
            for (; trit > 0; trit--)
            {
                power *= 3;
            }

            codes[i] = (byte)Trit(block[at], power);
        }

        return new CodeScale(Lanes.Half(block, 52));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 52);
        Decode(block[..32], 5, scale, weights);
        Decode(block[32..48], 5, scale, weights[160..]);
        Decode(block[48..52], 4, scale, weights[240..]);
    }

    private static void Decode(ReadOnlySpan<byte> bytes, int trits, float scale, Span<float> weights)
    {
        byte power = 1;
        for (int trit = 0; trit < trits; trit++, power *= 3)
        {
            for (int i = 0; i < bytes.Length; i++)
            {
                weights[(trit * bytes.Length) + i] = scale * (Trit(bytes[i], power) - 1);
            }
        }
    }

    private static int Trit(byte trits, byte power) => ((byte)(trits * power) * 3) >> 8;
}

/// <summary>w = f16(64) · (q - 1); q is two bits of the first 64 bytes, as <see cref="Q2_K"/> has them.</summary>
internal readonly struct TQ2_0 : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "tq2_0";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 66;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(2, 256) { Scale = ScaleType.Float16, Zero = 1 };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Q2_K.Two(block, 0, 2 * group).CopyTo(codes);
        Q2_K.Two(block, 0, (2 * group) + 1).CopyTo(codes[Lanes.Count..]);
        return new CodeScale(Lanes.Half(block, 64));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 64);
        for (int group = 0; group < 16; group++)
        {
            Lanes.Store(Q2_K.Two(block, 0, group).AsSByte() - Vector128<sbyte>.One, scale, weights[(group * Lanes.Count)..]);
        }
    }
}
