using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = f16(108) · (s - 32) · (q - 4); q is two bits of 64 bytes from 32 on, as <see cref="Q2_K"/> has them, and above them bit i/32 of
/// b[i%32]; s, of 16 weights, is a nibble of eight bytes from 96 on and above it two bits of the four bytes behind them.
/// </summary>
internal readonly struct Q3_K : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q3_k";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 110;

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 108);
        Vector128<sbyte> middle = Vector128.Create((sbyte)4);
        for (int group = 0; group < 16; group++)
        {
            int of = ((block[96 + (group % 8)] >> (group / 8 * 4)) & 15) | (((block[104 + (group % 4)] >> (group / 4 * 2)) & 3) << 4);
            Vector128<byte> top = Lanes.Bits(Lanes.Load(block, group % 2 * 16), group / 2, 1) << 2;
            Lanes.Store((Q2_K.Two(block, 32, group) | top).AsSByte() - middle, scale * (of - 32), weights[(group * Lanes.Count)..]);
        }
    }
}
