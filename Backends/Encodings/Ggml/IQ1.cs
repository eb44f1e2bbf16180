using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = f16(0) · (2s + 1) · (G[q] ± ⅛), eight weights to an entry of a grid of 2048: a byte from 2 on and above it three bits. Each 32
/// weights have an integer from 34 on: four times three bits of q, three of s, and whether the eighth is taken away.
/// </summary>
internal readonly struct IQ1_S : IGgmlBlock
{
    /// <summary>What is added to the grid, or taken away.</summary>
    public const float Delta = 0.125f;

    /// <inheritdoc/>
    public static string Name => "iq1_s";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 50;

    /// <inheritdoc/>
    /// <remarks>
    /// With u = ±(2s + 1), of the eighth's sign, and the code 1 ± G[q] a weight is f16(0) / 8 · (8u · code - 7u), all steps in a byte. An
    /// eighth of a half may be no half.
    /// </remarks>
    public static CodeForm Codes { get; } = new(2, 32) { FactorColumns = 256, Steps = StepType.Integer, HasMinima = true };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        (int s, bool minus) = Scale(block, group);
        for (int part = 0; part < 2; part++)
        {
            Vector128<sbyte> grid = Read(block, (2 * group) + part);
            (Vector128<sbyte>.One + (minus ? -grid : grid)).AsByte().CopyTo(codes[(part * Lanes.Count)..]);
        }

        float factor = Lanes.Half(block, 0) * Delta;
        int u = minus ? -s : s;
        return new CodeScale(factor, (sbyte)(8 * u), factor, (sbyte)(-7 * u));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int part = 0; part < 16; part++)
        {
            (int s, bool minus) = Scale(block, part / 2);
            float delta = minus ? -Delta : Delta;
            Lanes.StoreShifted(Read(block, part), scale * s, delta, delta, weights[(part * Lanes.Count)..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Read(ReadOnlySpan<byte> block, int part)
    {
        int top = Lanes.UInt16(block, 34 + (part / 2 * 2)) >> (part % 2 * 6);
        int first = block[2 + (part * 2)] | ((top & 7) << 8);
        int second = block[3 + (part * 2)] | (((top >> 3) & 7) << 8);
        return Vector128.Create(IqGrid.Iq1[first], IqGrid.Iq1[second]).AsSByte();
    }

    // 2s + 1, and whether the eighth is taken away.
    private static (int Scale, bool Minus) Scale(ReadOnlySpan<byte> block, int group)
    {
        int word = Lanes.UInt16(block, 34 + (group * 2));
        return ((2 * ((word >> 12) & 7)) + 1, word >> 15 != 0);
    }
}

/// <summary>
/// w = d · (2s + 1) · (G[q] ± ⅛), eight weights to an entry of the grid of <see cref="IQ1_S"/>: one of the first 32 bytes and above it
/// three bits of a nibble from 32 on, whose fourth says whether the eighth is taken away. s, of 16 weights, is three bits of the four
/// integers from 48 on, and d the half that their top nibbles make, the lowest first.
/// </summary>
internal readonly struct IQ1_M : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "iq1_m";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 56;

    /// <inheritdoc/>
    /// <remarks>Eight weights share an eighth, fewer than a scale has. A code is 1 + G[q], and above it whether the eighth is taken away.</remarks>
    public static CodeForm Codes { get; } = new(4, Lanes.Count)
    {
        FactorColumns = 256,
        Scale = ScaleType.Float16,
        Steps = StepType.Integer,
        Book = CodeBook.OfTable([-7 / 8f, 1 / 8f, 9 / 8f, 0, 0, 0, 0, 0, -9 / 8f, -1 / 8f, 7 / 8f, 0, 0, 0, 0, 0]),
    };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Vector128<sbyte> grid = Read(block, group, out bool lowMinus, out bool highMinus);
        uint minus = (lowMinus ? 0xFFu : 0) | (highMinus ? 0xFF00u : 0);
        IQ3_XXS.WithSigns((grid + Vector128<sbyte>.One).AsByte(), minus).CopyTo(codes);
        return new CodeScale(Factor(block), (sbyte)Scale(block, group));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float factor = Factor(block);
        for (int group = 0; group < 16; group++)
        {
            Vector128<sbyte> grid = Read(block, group, out bool lowMinus, out bool highMinus);
            (float low, float high) = (lowMinus ? -IQ1_S.Delta : IQ1_S.Delta, highMinus ? -IQ1_S.Delta : IQ1_S.Delta);
            Lanes.StoreShifted(grid, factor * Scale(block, group), low, high, weights[(group * Lanes.Count)..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Read(ReadOnlySpan<byte> block, int group, out bool lowMinus, out bool highMinus)
    {
        int nibbles = block[32 + group];
        int first = block[group * 2] | ((nibbles & 7) << 8);
        int second = block[(group * 2) + 1] | (((nibbles >> 4) & 7) << 8);
        (lowMinus, highMinus) = ((nibbles & 8) != 0, (nibbles & 128) != 0);
        return Vector128.Create(IqGrid.Iq1[first], IqGrid.Iq1[second]).AsSByte();
    }

    private static float Factor(ReadOnlySpan<byte> block)
    {
        ulong words = Lanes.UInt64(block, 48);
        ulong bits = ((words >> 12) & 0xF) | ((words >> 24) & 0xF0) | ((words >> 36) & 0xF00) | ((words >> 48) & 0xF000);
        return (float)BitConverter.UInt16BitsToHalf((ushort)bits);
    }

    private static int Scale(ReadOnlySpan<byte> block, int group) =>
        (2 * ((Lanes.UInt16(block, 48 + (group / 4 * 2)) >> (group % 4 * 3)) & 7)) + 1;
}
