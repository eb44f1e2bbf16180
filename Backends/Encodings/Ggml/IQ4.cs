using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = f16(0) · T[q]; q is a nibble of 16 bytes from 2 on, the low ones first, and T a table that suits Gaussian weights.
/// </summary>
internal readonly struct IQ4_NL : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "iq4_nl";

    /// <inheritdoc/>
    public static int Columns => 32;

    /// <inheritdoc/>
    public static int Bytes => 18;

    // T, as ggml-common.h has it (kvalues_iq4nl).
    private static Vector128<sbyte> Table => Vector128.Create(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

    /// <summary>The table as a code book.</summary>
    internal static CodeBook Book { get; } = CodeBook.OfTable([.. Enumerable.Range(0, 16).Select(static code => (float)Table[code])]);

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(4, 32) { Scale = ScaleType.Float16, Book = Book };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Lanes.CopyNibbles(block, 2, codes);
        return new CodeScale(Lanes.Half(block, 0));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights) => Decode(Lanes.Load(block, 2), Lanes.Half(block, 0), weights);

    /// <summary>32 weights of one scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Decode(Vector128<byte> nibbles, float scale, Span<float> weights)
    {
        Lanes.Store(Vector128.ShuffleNative(Table, Lanes.Bits(nibbles, 0, 15).AsSByte()), scale, weights);
        Lanes.Store(Vector128.ShuffleNative(Table, Lanes.Bits(nibbles, 4, 15).AsSByte()), scale, weights[Lanes.Count..]);
    }
}

/// <summary>
/// w = f16(0) · (s - 32) · T[q] with the table of <see cref="IQ4_NL"/>; q is a nibble of 16 bytes for each 32 weights, from 8 on; their s
/// is a nibble of four bytes from 4 on and above it two bits of the integer at 2.
/// </summary>
internal readonly struct IQ4_XS : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "iq4_xs";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 136;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(4, 32) { FactorColumns = 256, Steps = StepType.Integer, Book = IQ4_NL.Book };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Lanes.CopyNibbles(block, 8 + (group * 16), codes);
        return new CodeScale(Lanes.Half(block, 0), (sbyte)StepOf(block, group));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        for (int group = 0; group < 8; group++)
        {
            IQ4_NL.Decode(Lanes.Load(block, 8 + (group * 16)), scale * StepOf(block, group), weights[(group * 32)..]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int StepOf(ReadOnlySpan<byte> block, int group) =>
        (((block[4 + (group / 2)] >> (group % 2 * 4)) & 15) | (((Lanes.UInt16(block, 2) >> (group * 2)) & 3) << 4)) - 32;
}
