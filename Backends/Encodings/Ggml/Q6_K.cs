using System.Runtime.CompilerServices;
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
    public static CodeForm Codes { get; } = new(6, Lanes.Count) { FactorColumns = 256, Steps = StepType.Integer, Zero = 32 };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Join(block, group).CopyTo(codes);
        return new CodeScale(Lanes.Half(block, 208), (sbyte)block[192 + group]);
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 208);
        Vector128<sbyte> middle = Vector128.Create((sbyte)32);
        for (int group = 0; group < 16; group++)
        {
            float of = scale * (sbyte)block[192 + group];
            Lanes.Store(Join(block, group).AsSByte() - middle, of, weights[(group * Lanes.Count)..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Join(ReadOnlySpan<byte> block, int group)
    {
        (int half, int part) = (group / 8, group % 8);
        Vector128<byte> nibbles = Lanes.Bits(Lanes.Load(block, (half * 64) + (part % 4 * 16)), part / 4 * 4, 15);
        return nibbles | (Lanes.Bits(Lanes.Load(block, 128 + (half * 32) + (part % 2 * 16)), part / 2 * 2, 3) << 4);
    }
}
