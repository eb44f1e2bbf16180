using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = ±f16(0) · (½ + s) / 4 · G[q], eight weights to an entry of a grid of 256. Each 32 weights have four bytes q from 2 on and an
/// integer: seven bits of signs to each q, and s in the top four.
/// </summary>
internal readonly struct IQ2_XXS : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "iq2_xxs";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 66;

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int pair = 0; pair < 16; pair++)
        {
            int group = 2 + (pair / 2 * 8);
            int at = pair % 2 * 2;
            uint word = Lanes.UInt32(block, group + 4);
            uint signs = Signs(word >> (at * 7)) | (Signs(word >> (at * 7 + 7)) << 8);
            Vector128<sbyte> grid = Vector128.Create(IqGrid.Iq2Xxs[block[group + at]], IqGrid.Iq2Xxs[block[group + at + 1]]).AsSByte();
            Lanes.Store(Lanes.Negate(grid, signs), scale * (0.5f + (word >> 28)) / 4, weights[(pair * Lanes.Count)..]);
        }
    }

    /// <summary>Eight signs of seven bits: there is an even number of minus signs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint Signs(uint bits) => (bits & 127) | ((uint)(BitOperations.PopCount(bits & 127) & 1) << 7);
}

/// <summary>
/// w = ±f16(0) · (½ + s) / 4 · G[q], eight weights to an entry of a grid of 512: nine bits of an integer, seven of signs above them, from 2
/// on; s is a nibble for 16 weights, from 66 on.
/// </summary>
internal readonly struct IQ2_XS : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "iq2_xs";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 74;

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int pair = 0; pair < 16; pair++)
        {
            uint first = Lanes.UInt16(block, 2 + (pair * 4));
            uint second = Lanes.UInt16(block, 4 + (pair * 4));
            uint signs = IQ2_XXS.Signs(first >> 9) | (IQ2_XXS.Signs(second >> 9) << 8);
            Vector128<sbyte> grid = Vector128.Create(IqGrid.Iq2Xs[first & 511], IqGrid.Iq2Xs[second & 511]).AsSByte();
            int s = (block[66 + (pair / 2)] >> (pair % 2 * 4)) & 15;
            Lanes.Store(Lanes.Negate(grid, signs), scale * (0.5f + s) / 4, weights[(pair * Lanes.Count)..]);
        }
    }
}

/// <summary>
/// w = ±f16(0) · (½ + s) / 4 · G[q], eight weights to an entry of a grid of 1024: a byte from 2 on and above it two bits from 66 on; a byte
/// of signs from 34 on; s is a nibble for 16 weights, from 74 on.
/// </summary>
internal readonly struct IQ2_S : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "iq2_s";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 82;

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int pair = 0; pair < 16; pair++)
        {
            int top = block[66 + (pair / 2)] >> (pair % 2 * 4);
            int first = block[2 + (pair * 2)] | ((top & 3) << 8);
            int second = block[3 + (pair * 2)] | (((top >> 2) & 3) << 8);
            Vector128<sbyte> grid = Vector128.Create(IqGrid.Iq2S[first], IqGrid.Iq2S[second]).AsSByte();
            int s = (block[74 + (pair / 2)] >> (pair % 2 * 4)) & 15;
            Lanes.Store(
                Lanes.Negate(grid, Lanes.UInt16(block, 34 + (pair * 2))), scale * (0.5f + s) / 4, weights[(pair * Lanes.Count)..]);
        }
    }
}
