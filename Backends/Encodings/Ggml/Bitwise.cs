using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>w = f16(0) where bit i of the 16 bytes from 2 on is set, else -f16(0).</summary>
internal readonly struct Q1_0 : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q1_0";

    /// <inheritdoc/>
    public static int Columns => 128;

    /// <inheritdoc/>
    public static int Bytes => 18;

    /// <inheritdoc/>
    /// <remarks>A code is 0 or 2.</remarks>
    public static CodeForm Codes { get; } = new(2, 128) { Scale = ScaleType.Float16, Zero = 1 };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        for (int part = 0; part < 2; part++)
        {
            (Lanes.Spread(Bits(block, (2 * group) + part)) & Vector128.Create((byte)2)).CopyTo(codes[(part * Lanes.Count)..]);
        }

        return new CodeScale(Lanes.Half(block, 0));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int part = 0; part < 8; part++)
        {
            // Where the bit is clear, its complement is set.
            Lanes.Store(Lanes.Negate(Vector128<sbyte>.One, ~Bits(block, part)), scale, weights[(part * Lanes.Count)..]);
        }
    }

    private static uint Bits(ReadOnlySpan<byte> block, int part) => Lanes.UInt16(block, 2 + (part * 2));
}

/// <summary>w = f16(0) · (q - 1); q is two bits of the 16 bytes from 2 on, the lowest first.</summary>
internal readonly struct Q2_0 : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q2_0";

    /// <inheritdoc/>
    public static int Columns => 64;

    /// <inheritdoc/>
    public static int Bytes => 18;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(2, 64) { Scale = ScaleType.Float16, Zero = 1 };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = Code(block, (group * codes.Length) + i);
        }

        return new CodeScale(Lanes.Half(block, 0));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = scale * (Code(block, i) - 1);
        }
    }

    private static byte Code(ReadOnlySpan<byte> block, int i) => (byte)((block[2 + (i / 4)] >> (i % 4 * 2)) & 3);
}
