using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = ±f16(0) · (½ + s) / 2 · G[q], four weights to an entry of a grid of 256: a byte from 2 on. Each 32 weights have an integer from 66
/// on: four times seven bits of signs, and s in the top four.
/// </summary>
internal readonly struct IQ3_XXS : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "iq3_xxs";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 98;

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        uint[] grid = IqGrid.Iq3Xxs;
        for (int part = 0; part < 16; part++)
        {
            uint word = Lanes.UInt32(block, 66 + (part / 2 * 4));
            int at = part % 2 * 14;
            uint signs = IQ2_XXS.Signs(word >> at) | (IQ2_XXS.Signs(word >> (at + 7)) << 8);
            ReadOnlySpan<byte> q = block.Slice(2 + (part * 4), 4);
            Vector128<sbyte> values = Vector128.Create(grid[q[0]], grid[q[1]], grid[q[2]], grid[q[3]]).AsSByte();
            Lanes.Store(Lanes.Negate(values, signs), scale * (0.5f + (word >> 28)) / 2, weights[(part * Lanes.Count)..]);
        }
    }
}

/// <summary>
/// w = ±f16(0) · (1 + 2s) · G[q], four weights to an entry of a grid of 512: a byte from 2 on and above it a bit from 66 on; a bit of sign
/// from 74 on; s is a nibble for 32 weights, from 106 on.
/// </summary>
internal readonly struct IQ3_S : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "iq3_s";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 110;

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        uint[] grid = IqGrid.Iq3S;
        for (int part = 0; part < 16; part++)
        {
            int top = block[66 + (part / 2)] >> (part % 2 * 4);
            ReadOnlySpan<byte> q = block.Slice(2 + (part * 4), 4);
            uint first = grid[q[0] | ((top & 1) << 8)];
            uint second = grid[q[1] | ((top & 2) << 7)];
            uint third = grid[q[2] | ((top & 4) << 6)];
            uint fourth = grid[q[3] | ((top & 8) << 5)];
            Vector128<sbyte> values = Vector128.Create(first, second, third, fourth).AsSByte();
            int s = (block[106 + (part / 4)] >> (part / 2 % 2 * 4)) & 15;
            Lanes.Store(Lanes.Negate(values, Lanes.UInt16(block, 74 + (part * 2))), scale * (1 + (2 * s)), weights[(part * Lanes.Count)..]);
        }
    }
}
