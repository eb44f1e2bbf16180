namespace NativeFfn.Backends.Storage;

/// <summary>E4M3, to the nearest and from halfway to the even one.</summary>
internal static class FloatRounding
{
    /// <summary>The largest number of E4M3, and of its 8 bits 0x7E.</summary>
    public const float LargestE4M3 = 448;

    private const byte E4M3NaN = 0x7F;

    /// <summary>
    /// E4M3 in its finite form (Micikevicius et al. 2022, "FP8 Formats for Deep Learning"): 4 bits of exponent with bias 7, 3 of mantissa, no
    /// infinities. What is too large becomes ±448.
    /// </summary>
    public static byte ToE4M3(float value)
    {
        if (float.IsNaN(value))
        {
            return E4M3NaN;
        }

        // Under 2⁻⁶, the smallest normal number, the steps stay 2⁻⁹; the sum below lets the adder round to them.
        const float smallestNormal = 1f / 64;
        const float subnormalStep = 1f / 512;
        byte sign = (byte)((BitConverter.SingleToUInt32Bits(value) >> 24) & 0x80);
        float size = MathF.Min(MathF.Abs(value), LargestE4M3);
        if (size < smallestNormal)
        {
            return (byte)(sign | (byte)MathF.Round(size / subnormalStep));
        }

        // To nearest even in the 20 bits of mantissa that go; a carry moves into the exponent, as it should.
        const int mantissaBitsLost = 20;
        const int biasDifference = 127 - 7;
        uint bits = BitConverter.SingleToUInt32Bits(size);
        uint rounded = (bits + (1u << (mantissaBitsLost - 1)) - 1 + ((bits >> mantissaBitsLost) & 1)) >> mantissaBitsLost;
        return (byte)(sign | (rounded - (biasDifference << 3)));
    }

    /// <summary>An E4M3 as float32, exactly.</summary>
    public static float FromE4M3(byte bits)
    {
        int exponent = (bits >> 3) & 0xF;
        int mantissa = bits & 7;
        float size = (bits & 0x7F) == E4M3NaN ? float.NaN
            : exponent == 0 ? mantissa / 512f
            : MathF.ScaleB(1 + (mantissa / 8f), exponent - 7);
        return (bits & 0x80) == 0 ? size : -size;
    }
}
