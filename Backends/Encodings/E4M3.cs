using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>
/// 8-bit floats (E4M3) with a float32 scale for each row, which comes before its weights: w ≈ scale · q, scale = max|w| / 448.
/// </summary>
/// <remarks>
/// E4M3 in its finite form (Micikevicius et al. 2022, "FP8 Formats for Deep Learning"): 4 bits of exponent with bias 7, 3 of mantissa, no
/// infinities; 0x7F and 0xFF are NaN.
/// </remarks>
internal sealed class E4M3Encoding() : WeightEncoding("fp8", blockColumns: 1, blockBytes: 1)
{
    /// <summary>The largest number of E4M3.</summary>
    public const float Largest = 448;

    private const byte NaN = 0x7F;
    private const byte SignBit = 0x80;
    private const int ExponentBias = 7;
    private const int MantissaBits = 3;

    private static readonly float[] Values = [.. Enumerable.Range(0, 256).Select(static bits => Widen((byte)bits))];

    /// <inheritdoc/>
    public override int HeaderBytes => sizeof(float);

    /// <inheritdoc/>
    public override FfnPrecision? Precision => FfnPrecision.Float8;

    /// <inheritdoc/>
    public override double? Error => 2.7e-2;

    /// <inheritdoc/>
    public override CodeForm? Codes { get; } = new(8, CodeForm.WholeRow) { Book = CodeBook.E4M3 };

    /// <inheritdoc/>
    public override CodeScale ReadCodes(ReadOnlySpan<byte> row, int firstColumn, Span<byte> codes)
    {
        row.Slice(HeaderBytes + firstColumn, codes.Length).CopyTo(codes);
        return new CodeScale(MemoryMarshal.Read<float>(row));
    }

    /// <summary>Whether some 8-bit floats are no numbers.</summary>
    public static bool HasNaN(ReadOnlySpan<byte> floats) => floats.IndexOfAny(NaN, (byte)(NaN | SignBit)) >= 0;

    /// <summary>An 8-bit float as float32, exactly.</summary>
    public static float Value(byte bits) => Values[bits];

    /// <summary>The same where all codes are numbers, as steps of scales are: 0x7F is 480.</summary>
    public static float FiniteValue(byte bits)
    {
        const float AfterLargest = 480;
        return (bits & NaN) == NaN ? MathF.CopySign(AfterLargest, (sbyte)bits) : Values[bits];
    }

    /// <summary>Rounds to nearest even; what is too large becomes ±448.</summary>
    public static byte Round(float value)
    {
        if (float.IsNaN(value))
        {
            return NaN;
        }

        // Under 2⁻⁶, the smallest normal number, the steps stay 2⁻⁹.
        const float smallestNormal = 1f / 64;
        const float subnormalStep = 1f / 512;
        byte sign = (byte)((BitConverter.SingleToUInt32Bits(value) >> 24) & 0x80);
        float size = MathF.Min(MathF.Abs(value), Largest);
        if (size < smallestNormal)
        {
            return (byte)(sign | (byte)MathF.Round(size / subnormalStep));
        }

        // To nearest even in the 20 bits of mantissa that go; a carry moves into the exponent, as it should.
        const int mantissaBitsLost = 23 - MantissaBits;
        uint bits = BitConverter.SingleToUInt32Bits(size);
        uint rounded = (bits + (1u << (mantissaBitsLost - 1)) - 1 + ((bits >> mantissaBitsLost) & 1)) >> mantissaBitsLost;
        return (byte)(sign | (rounded - ((127 - ExponentBias) << MantissaBits)));
    }

    /// <inheritdoc/>
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        float scale = MemoryMarshal.Read<float>(row);
        ReadOnlySpan<byte> stored = row.Slice(HeaderBytes + firstColumn, weights.Length);
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = Values[stored[i]] * scale;
        }
    }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<float> weights, Span<byte> row)
    {
        float scale = ScaleOf(weights);
        MemoryMarshal.Write(row, scale);
        Span<byte> stored = row[HeaderBytes..];
        for (int i = 0; i < weights.Length; i++)
        {
            stored[i] = Round(weights[i] / scale);
        }
    }

    private static float Widen(byte bits)
    {
        int exponent = (bits >> MantissaBits) & 0xF;
        int mantissa = bits & 7;
        float size = (bits & NaN) == NaN ? float.NaN
            : exponent == 0 ? mantissa / 512f
            : MathF.ScaleB(1 + (mantissa / 8f), exponent - ExponentBias);
        return (bits & 0x80) == 0 ? size : -size;
    }

    private static float ScaleOf(ReadOnlySpan<float> row)
    {
        float largest = 0;
        foreach (float weight in row)
        {
            // NaN and infinity must come out, to be refused.
            largest = Math.Max(largest, Math.Abs(weight));
        }

        // Under the smallest normal number a scale would have lost its digits: such rows are as good as zero.
        float scale = largest / Largest;
        return largest == 0 || float.IsSubnormal(scale) ? 1 : scale;
    }
}
