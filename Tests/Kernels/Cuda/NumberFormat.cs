namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>A stored number format, by its definition: nearest even in float64 arithmetic, with no bits in it but those of the encoding.</summary>
internal sealed record NumberFormat(
    string Name, int Bytes, int MantissaBits, int SmallestExponent, double Largest, bool HasInfinity)
{
    public static readonly NumberFormat Float32 = new("f32", 4, 23, -126, float.MaxValue, HasInfinity: true);
    public static readonly NumberFormat BFloat16 = new("bf16", 2, 7, -126, 3.3895313892515355e38, HasInfinity: true);
    public static readonly NumberFormat Float16 = new("f16", 2, 10, -14, 65504, HasInfinity: true);
    public static readonly NumberFormat E4M3 = new("e4m3", 1, 3, -6, 448, HasInfinity: false);

    /// <summary>The nearest number of the format; without an infinity, what is too large becomes the largest, and an infinity NaN.</summary>
    public double Round(double value)
    {
        if (value == 0 || double.IsNaN(value))
        {
            return value;
        }

        if (double.IsInfinity(value))
        {
            return HasInfinity ? value : double.NaN;
        }

        double quantum = Math.ScaleB(1, Math.Max(Math.ILogB(value), SmallestExponent) - MantissaBits);
        double rounded = Math.Round(value / quantum, MidpointRounding.ToEven) * quantum;
        return Math.Abs(rounded) <= Largest ? rounded : Math.CopySign(HasInfinity ? double.PositiveInfinity : Largest, rounded);
    }

    /// <summary>The value of an encoding.</summary>
    public double Decode(uint bits)
    {
        int exponentBits = (Bytes * 8) - 1 - MantissaBits;
        double sign = bits >> ((Bytes * 8) - 1) == 0 ? 1 : -1;
        int exponent = (int)(bits >> MantissaBits) & ((1 << exponentBits) - 1);
        int mantissa = (int)(bits & ((1u << MantissaBits) - 1));
        bool isTop = exponent == (1 << exponentBits) - 1;
        if (isTop && HasInfinity)
        {
            return mantissa == 0 ? sign * double.PositiveInfinity : double.NaN;
        }

        if (isTop && mantissa == (1 << MantissaBits) - 1)
        {
            return double.NaN;
        }

        int hidden = exponent == 0 ? 0 : 1 << MantissaBits;
        return sign * Math.ScaleB(hidden + mantissa, Math.Max(exponent, 1) - 1 + SmallestExponent - MantissaBits);
    }

    /// <summary>The encoding of a number that the format has.</summary>
    public uint Encode(double value)
    {
        uint sign = double.IsNegative(value) ? 1u << ((Bytes * 8) - 1) : 0;
        int exponentBits = (Bytes * 8) - 1 - MantissaBits;
        uint top = ((1u << exponentBits) - 1) << MantissaBits;
        if (double.IsNaN(value))
        {
            return top | ((1u << MantissaBits) - 1);
        }

        if (double.IsInfinity(value))
        {
            return sign | top;
        }

        int exponent = value == 0 ? SmallestExponent : Math.Max(Math.ILogB(value), SmallestExponent);
        uint steps = (uint)Math.ScaleB(Math.Abs(value), MantissaBits - exponent);

        // The hidden bit of a normal number adds 1 to the exponent's field.
        return sign | (((uint)(exponent - SmallestExponent) << MantissaBits) + steps);
    }

    public override string ToString() => Name;
}
