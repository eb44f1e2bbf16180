using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = f16(0) · s · q - f16(2) · m; q is a nibble of 128 bytes from 16 on, the low ones of 32 bytes first; s and m, of 32 weights, are 6
/// bits of 12 bytes from 4 on.
/// </summary>
internal readonly struct Q4_K : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q4_k";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 144;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(4, 32) { FactorColumns = 256, Steps = StepType.Integer, HasMinima = true };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        (int s, int m) = Scales(block, group);
        for (int half = 0; half < 32; half += Lanes.Count)
        {
            Lanes.Bits(Lanes.Load(block, 16 + (group / 2 * 32) + half), group % 2 * 4, 15).CopyTo(codes[half..]);
        }

        return new CodeScale(Lanes.Half(block, 0), (sbyte)s, -Lanes.Half(block, 2), (sbyte)m);
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        float offset = Lanes.Half(block, 2);
        for (int group = 0; group < 8; group++)
        {
            (int s, int m) = Scales(block, group);
            for (int half = 0; half < 32; half += Lanes.Count)
            {
                Vector128<byte> nibbles = Lanes.Bits(Lanes.Load(block, 16 + (group / 2 * 32) + half), group % 2 * 4, 15);
                Lanes.Store(nibbles, scale * s, -(offset * m), weights[((group * 32) + half)..]);
            }
        }
    }

    /// <summary>
    /// s and m of a group: four of each have six bits of a byte; the others a nibble, and the two bits left over above it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (int S, int M) Scales(ReadOnlySpan<byte> block, int group) => group < 4
        ? (block[4 + group] & 63, block[8 + group] & 63)
        : ((block[8 + group] & 15) | (block[group] >> 6 << 4), (block[8 + group] >> 4) | (block[4 + group] >> 6 << 4));
}

/// <summary>
/// w = f16(0) · s · q - f16(2) · m; q is a nibble of 128 bytes from 48 on, and above it bit i/32 of b[16 + i%32]; else as <see
/// cref="Q4_K"/>.
/// </summary>
internal readonly struct Q5_K : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q5_k";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 176;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(5, 32) { FactorColumns = 256, Steps = StepType.Integer, HasMinima = true };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        (int s, int m) = Q4_K.Scales(block, group);
        for (int half = 0; half < 32; half += Lanes.Count)
        {
            Join(block, group, half).CopyTo(codes[half..]);
        }

        return new CodeScale(Lanes.Half(block, 0), (sbyte)s, -Lanes.Half(block, 2), (sbyte)m);
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        float offset = Lanes.Half(block, 2);
        for (int group = 0; group < 8; group++)
        {
            (int s, int m) = Q4_K.Scales(block, group);
            for (int half = 0; half < 32; half += Lanes.Count)
            {
                Lanes.Store(Join(block, group, half), scale * s, -(offset * m), weights[((group * 32) + half)..]);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Join(ReadOnlySpan<byte> block, int group, int half) =>
        Lanes.Bits(Lanes.Load(block, 48 + (group / 2 * 32) + half), group % 2 * 4, 15) | (Lanes.Bits(Lanes.Load(block, 16 + half), group, 1) << 4);
}
