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
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int pair = 0; pair < 16; pair++)
        {
            int word = Lanes.UInt16(block, 34 + (pair / 2 * 2));
            int top = word >> (pair % 2 * 6);
            int first = block[2 + (pair * 2)] | ((top & 7) << 8);
            int second = block[3 + (pair * 2)] | (((top >> 3) & 7) << 8);
            Vector128<sbyte> grid = Vector128.Create(IqGrid.Iq1[first], IqGrid.Iq1[second]).AsSByte();
            float delta = word >> 15 == 0 ? Delta : -Delta;
            Lanes.StoreShifted(grid, scale * ((2 * ((word >> 12) & 7)) + 1), delta, delta, weights[(pair * Lanes.Count)..]);
        }
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
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        ulong words = Lanes.UInt64(block, 48);
        ulong bits = ((words >> 12) & 0xF) | ((words >> 24) & 0xF0) | ((words >> 36) & 0xF00) | ((words >> 48) & 0xF000);
        float scale = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
        for (int pair = 0; pair < 16; pair++)
        {
            int nibbles = block[32 + pair];
            int first = block[pair * 2] | ((nibbles & 7) << 8);
            int second = block[(pair * 2) + 1] | (((nibbles >> 4) & 7) << 8);
            Vector128<sbyte> grid = Vector128.Create(IqGrid.Iq1[first], IqGrid.Iq1[second]).AsSByte();
            int s = (int)(words >> ((pair / 4 * 16) + (pair % 4 * 3))) & 7;
            (float low, float high) = (Sign(nibbles & 8) * IQ1_S.Delta, Sign(nibbles & 128) * IQ1_S.Delta);
            Lanes.StoreShifted(grid, scale * ((2 * s) + 1), low, high, weights[(pair * Lanes.Count)..]);
        }
    }

    private static int Sign(int minus) => minus == 0 ? 1 : -1;
}
