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

    /// <summary>The grids' levels 8, 25 and 43 as eighths, so that a scale is 2s + 1, and the same negated.</summary>
    internal static CodeBook Book { get; } = IQ3_XXS.SignedBook(1, 25 / 8f, 43 / 8f, 0, 0, 0, 0, 0);

    /// <inheritdoc/>
    /// <remarks>A code is one of the grid's three levels, and above it the sign.</remarks>
    public static CodeForm Codes { get; } = new(4, 32) { FactorColumns = 256, Scale = ScaleType.Float16, Steps = StepType.Integer, Book = Book };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        CodesOf(Read(block, 2 * group, out uint signs), signs).CopyTo(codes);
        CodesOf(Read(block, (2 * group) + 1, out signs), signs).CopyTo(codes[Lanes.Count..]);
        return new CodeScale(Lanes.Half(block, 0), (sbyte)((2 * Scale(block, group)) + 1));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int part = 0; part < 16; part++)
        {
            Vector128<sbyte> grid = Read(block, part, out uint signs).AsSByte();
            Lanes.Store(Lanes.Negate(grid, signs), scale * (0.5f + Scale(block, part / 2)) / 4, weights[(part * Lanes.Count)..]);
        }
    }

    /// <summary>Eight signs of seven bits: there is an even number of minus signs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static uint Signs(uint bits) => (bits & 127) | ((uint)(BitOperations.PopCount(bits & 127) & 1) << 7);

    /// <summary>Codes of levels, of which the fourth and fifth bit are the place in the book.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> CodesOf(Vector128<byte> levels, uint signs) => IQ3_XXS.WithSigns(Lanes.Bits(levels, 4, 3), signs);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Read(ReadOnlySpan<byte> block, int part, out uint signs)
    {
        int group = 2 + (part / 2 * 8);
        int at = part % 2 * 2;
        uint word = Lanes.UInt32(block, group + 4);
        signs = Signs(word >> (at * 7)) | (Signs(word >> ((at * 7) + 7)) << 8);
        return Vector128.Create(IqGrid.Iq2Xxs[block[group + at]], IqGrid.Iq2Xxs[block[group + at + 1]]).AsByte();
    }

    private static uint Scale(ReadOnlySpan<byte> block, int group) => Lanes.UInt32(block, 6 + (group * 8)) >> 28;
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
    /// <remarks>As those of <see cref="IQ2_XXS"/>.</remarks>
    public static CodeForm Codes { get; } =
        new(4, Lanes.Count) { FactorColumns = 256, Scale = ScaleType.Float16, Steps = StepType.Integer, Book = IQ2_XXS.Book };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        IQ2_XXS.CodesOf(Read(block, group, out uint signs), signs).CopyTo(codes);
        return new CodeScale(Lanes.Half(block, 0), (sbyte)((2 * Scale(block, group)) + 1));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int group = 0; group < 16; group++)
        {
            Vector128<sbyte> grid = Read(block, group, out uint signs).AsSByte();
            Lanes.Store(Lanes.Negate(grid, signs), scale * (0.5f + Scale(block, group)) / 4, weights[(group * Lanes.Count)..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Read(ReadOnlySpan<byte> block, int group, out uint signs)
    {
        uint first = Lanes.UInt16(block, 2 + (group * 4));
        uint second = Lanes.UInt16(block, 4 + (group * 4));
        signs = IQ2_XXS.Signs(first >> 9) | (IQ2_XXS.Signs(second >> 9) << 8);
        return Vector128.Create(IqGrid.Iq2Xs[first & 511], IqGrid.Iq2Xs[second & 511]).AsByte();
    }

    private static int Scale(ReadOnlySpan<byte> block, int group) => (block[66 + (group / 2)] >> (group % 2 * 4)) & 15;
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
    /// <remarks>As those of <see cref="IQ2_XXS"/>.</remarks>
    public static CodeForm Codes => IQ2_XS.Codes;

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        IQ2_XXS.CodesOf(Read(block, group, out uint signs), signs).CopyTo(codes);
        return new CodeScale(Lanes.Half(block, 0), (sbyte)((2 * Scale(block, group)) + 1));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int group = 0; group < 16; group++)
        {
            Vector128<sbyte> grid = Read(block, group, out uint signs).AsSByte();
            Lanes.Store(Lanes.Negate(grid, signs), scale * (0.5f + Scale(block, group)) / 4, weights[(group * Lanes.Count)..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Read(ReadOnlySpan<byte> block, int group, out uint signs)
    {
        int top = block[66 + (group / 2)] >> (group % 2 * 4);
        int first = block[2 + (group * 2)] | ((top & 3) << 8);
        int second = block[3 + (group * 2)] | (((top >> 2) & 3) << 8);
        signs = Lanes.UInt16(block, 34 + (group * 2));
        return Vector128.Create(IqGrid.Iq2S[first], IqGrid.Iq2S[second]).AsByte();
    }

    private static int Scale(ReadOnlySpan<byte> block, int group) => (block[74 + (group / 2)] >> (group % 2 * 4)) & 15;
}
