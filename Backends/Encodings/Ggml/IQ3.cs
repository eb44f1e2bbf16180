using System.Runtime.CompilerServices;
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
    /// <remarks>A code is one of the grid's eight levels, of which it has a quarter, and above it the sign.</remarks>
    public static CodeForm Codes { get; } = new(4, 32)
    {
        FactorColumns = 256, Scale = ScaleType.Float16, Steps = StepType.Integer, Book = SignedBook(1, 3, 5, 7, 9, 11, 13, 15.5f),
    };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        for (int part = 0; part < 2; part++)
        {
            Vector128<byte> values = Read(block, (2 * group) + part, out uint signs);
            WithSigns(Lanes.Bits(values, 3, 7), signs).CopyTo(codes[(part * Lanes.Count)..]);
        }

        return new CodeScale(Lanes.Half(block, 0), (sbyte)((2 * Scale(block, group)) + 1));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int part = 0; part < 16; part++)
        {
            Vector128<sbyte> values = Read(block, part, out uint signs).AsSByte();
            Lanes.Store(Lanes.Negate(values, signs), scale * (0.5f + Scale(block, part / 2)) / 2, weights[(part * Lanes.Count)..]);
        }
    }

    /// <summary>A table of eight numbers, then of the same negated.</summary>
    internal static CodeBook SignedBook(params float[] numbers) => CodeBook.OfTable([.. numbers, .. numbers.Select(static number => -number)]);

    /// <summary>Codes of such a table.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> WithSigns(Vector128<byte> levels, uint signs) => levels | (Lanes.Spread(signs) & Vector128.Create((byte)8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Read(ReadOnlySpan<byte> block, int part, out uint signs)
    {
        uint[] grid = IqGrid.Iq3Xxs;
        uint word = Lanes.UInt32(block, 66 + (part / 2 * 4));
        int at = part % 2 * 14;
        signs = IQ2_XXS.Signs(word >> at) | (IQ2_XXS.Signs(word >> (at + 7)) << 8);
        ReadOnlySpan<byte> q = block.Slice(2 + (part * 4), 4);
        return Vector128.Create(grid[q[0]], grid[q[1]], grid[q[2]], grid[q[3]]).AsByte();
    }

    private static uint Scale(ReadOnlySpan<byte> block, int group) => Lanes.UInt32(block, 66 + (group * 4)) >> 28;
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
    /// <remarks>A code is one of the grid's eight levels, and above it the sign.</remarks>
    public static CodeForm Codes { get; } = new(4, 32)
    {
        FactorColumns = 256, Scale = ScaleType.Float16, Steps = StepType.Integer, Book = IQ3_XXS.SignedBook(1, 3, 5, 7, 9, 11, 13, 15),
    };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        for (int part = 0; part < 2; part++)
        {
            Vector128<byte> values = Read(block, (2 * group) + part, out uint signs);
            IQ3_XXS.WithSigns(Lanes.Bits(values, 1, 7), signs).CopyTo(codes[(part * Lanes.Count)..]);
        }

        return new CodeScale(Lanes.Half(block, 0), (sbyte)StepOf(block, group));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int part = 0; part < 16; part++)
        {
            Vector128<sbyte> values = Read(block, part, out uint signs).AsSByte();
            Lanes.Store(Lanes.Negate(values, signs), scale * StepOf(block, part / 2), weights[(part * Lanes.Count)..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Read(ReadOnlySpan<byte> block, int part, out uint signs)
    {
        uint[] grid = IqGrid.Iq3S;
        int top = block[66 + (part / 2)] >> (part % 2 * 4);
        ReadOnlySpan<byte> q = block.Slice(2 + (part * 4), 4);
        uint first = grid[q[0] | ((top & 1) << 8)];
        uint second = grid[q[1] | ((top & 2) << 7)];
        uint third = grid[q[2] | ((top & 4) << 6)];
        uint fourth = grid[q[3] | ((top & 8) << 5)];
        signs = Lanes.UInt16(block, 74 + (part * 2));
        return Vector128.Create(first, second, third, fourth).AsByte();
    }

    private static int StepOf(ReadOnlySpan<byte> block, int group) => 1 + (2 * ((block[106 + (group / 2)] >> (group % 2 * 4)) & 15));
}
