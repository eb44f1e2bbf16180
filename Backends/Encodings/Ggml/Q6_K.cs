using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = f16(208) · int8(b[192 + i/16]) · (q - 32); q is a nibble of 128 bytes and above it two bits of the 64 behind them. Each half of the
/// block has 64 and 32 of those: the low nibbles of 64 weights, then the high ones; the two bits of 32 weights have the same place.
/// </summary>
internal readonly struct Q6_K : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q6_k";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 210;

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 208);
        Vector128<sbyte> middle = Vector128.Create((sbyte)32);
        for (int group = 0; group < 16; group++)
        {
            (int half, int part) = (group / 8, group % 8);
            Vector128<byte> nibbles = Lanes.Bits(Lanes.Load(block, (half * 64) + (part % 4 * 16)), part / 4 * 4, 15);
            Vector128<byte> top = Lanes.Bits(Lanes.Load(block, 128 + (half * 32) + (part % 2 * 16)), part / 2 * 2, 3) << 4;
            float of = scale * (sbyte)block[192 + group];
            Lanes.Store((nibbles | top).AsSByte() - middle, of, weights[(group * Lanes.Count)..]);
        }
    }
}
