using System.Runtime.CompilerServices;
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
    public static CodeForm Codes { get; } = new(3, Lanes.Count) { FactorColumns = 256, Steps = StepType.Integer, Zero = 4 };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Join(block, group).CopyTo(codes);
        return new CodeScale(Lanes.Half(block, 108), (sbyte)StepOf(block, group));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 108);
        Vector128<sbyte> middle = Vector128.Create((sbyte)4);
        for (int group = 0; group < 16; group++)
        {
            Lanes.Store(Join(block, group).AsSByte() - middle, scale * StepOf(block, group), weights[(group * Lanes.Count)..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Join(ReadOnlySpan<byte> block, int group) =>
        Q2_K.Two(block, 32, group) | (Lanes.Bits(Lanes.Load(block, group % 2 * 16), group / 2, 1) << 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int StepOf(ReadOnlySpan<byte> block, int group) =>
        (((block[96 + (group % 8)] >> (group / 8 * 4)) & 15) | (((block[104 + (group % 4)] >> (group / 4 * 2)) & 3) << 4)) - 32;
}
