using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = E2M1[q] · 2^(b[0] - 127), the microscaling format of OCP; q is a nibble of 16 bytes from 1 on, the low ones first. The exponent 255
/// is NaN. -0 is read as 0, as ggml does.
/// </summary>
internal readonly struct MXFP4 : IGgmlBlock
{
    private const byte NaN = 255;

    /// <inheritdoc/>
    public static string Name => "mxfp4";

    /// <inheritdoc/>
    public static int Columns => 32;

    /// <inheritdoc/>
    public static int Bytes => 17;

    // Twice E2M1, 4-bit floats of two bits of exponent and one of mantissa, which makes them integers.
    private static Vector128<sbyte> Doubled => Vector128.Create(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

    // The same as a code book.
    private static CodeBook Book { get; } = CodeBook.OfTable([.. Enumerable.Range(0, 16).Select(static code => (float)Doubled[code])]);

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(4, 32) { Scale = ScaleType.BFloat16, Book = Book };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Lanes.CopyNibbles(block, 1, codes);
        return new CodeScale(HalfPower(block[0]));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = HalfPower(block[0]);
        Vector128<byte> nibbles = Lanes.Load(block, 1);
        Store(Lanes.Bits(nibbles, 0, 15), scale, weights);
        Store(Lanes.Bits(nibbles, 4, 15), scale, weights[Lanes.Count..]);
    }

    /// <summary>w = 2 · E2M1[q] · scale of 16 weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Store(Vector128<byte> codes, float scale, Span<float> weights) =>
        Lanes.Store(Vector128.ShuffleNative(Doubled, codes.AsSByte()), scale, weights);

    // 2^(e - 128): the half that doubling the numbers took. The first two are subnormal in float32.
    private static float HalfPower(byte exponent) => exponent == NaN
        ? float.NaN
        : BitConverter.UInt32BitsToSingle(exponent < 2 ? 0x0020_0000u << exponent : (uint)(exponent - 1) << 23);
}

/// <summary>
/// w = E2M1[q] · s; s is b[i/16] as a float of four bits of exponent and three of mantissa without sign; q is a nibble of eight bytes for
/// each 16 weights, from 4 on, the low ones first. A tensor's scale, stored beside it, is a <see cref="ScaledEncoding"/>'s.
/// </summary>
internal readonly struct NVFP4 : IGgmlBlock
{
    private const ulong LowNibbles = 0x0F0F_0F0F_0F0F_0F0F;
    private const byte TopCode = 0x7F;

    /// <inheritdoc/>
    public static string Name => "nvfp4";

    /// <inheritdoc/>
    public static int Columns => 64;

    /// <inheritdoc/>
    public static int Bytes => 36;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(4, Lanes.Count) { FactorColumns = CodeForm.WholeRow, Steps = StepType.E4M3, Book = CodeBook.E2M1 };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        CodesOf(block, group).CopyTo(codes);
        return new CodeScale(1, (sbyte)(block[group] == TopCode ? 0 : block[group] & TopCode));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        for (int group = 0; group < 4; group++)
        {
            MXFP4.Store(CodesOf(block, group), HalfScale(block[group]), weights[(group * Lanes.Count)..]);
        }
    }

    private static Vector128<byte> CodesOf(ReadOnlySpan<byte> block, int group)
    {
        ulong nibbles = Lanes.UInt64(block, 4 + (group * 8));
        return Vector128.Create(nibbles & LowNibbles, (nibbles >> 4) & LowNibbles).AsByte();
    }

    // Half of the scale, as the numbers are doubled. The exponent's bias is 7, and the top code, where E4M3 has NaN, counts as 0.
    private static float HalfScale(byte bits)
    {
        const float half = 0.5f;
        int exponent = (bits >> 3) & 15;
        int mantissa = bits & 7;
        return bits == TopCode ? 0
            : exponent == 0 ? half * mantissa / 512
            : half * MathF.ScaleB(1 + (mantissa / 8f), exponent - 7);
    }
}
