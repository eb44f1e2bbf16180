namespace NativeFfn.Tests.Support;

/// <summary>A stored number format, by its definition: nearest even in float64 arithmetic, with no bits in it but those of the encoding.</summary>
internal sealed unsafe class NumberFormat
{
    public static readonly NumberFormat Float32 = new("f32", 4, 23, -126, float.MaxValue, hasInfinity: true);
    public static readonly NumberFormat BFloat16 = new("bf16", 2, 7, -126, 3.3895313892515355e38, hasInfinity: true);
    public static readonly NumberFormat Float16 = new("f16", 2, 10, -14, 65504, hasInfinity: true);
    public static readonly NumberFormat E4M3 = new("e4m3", 1, 3, -6, 448, hasInfinity: false);

    private readonly int _smallestExponent;

    // By encoding, of a format of one or two bytes.
    private readonly float[] _values;

    private NumberFormat(string name, int bytes, int mantissaBits, int smallestExponent, double largest, bool hasInfinity)
    {
        (Name, Bytes, MantissaBits, _smallestExponent, Largest, HasInfinity) =
            (name, bytes, mantissaBits, smallestExponent, largest, hasInfinity);
        _values = bytes == sizeof(float) ? [] : [.. Enumerable.Range(0, 1 << (8 * bytes)).Select(bits => (float)Decode((uint)bits))];
    }

    public string Name { get; }

    public int Bytes { get; }

    public int MantissaBits { get; }

    public double Largest { get; }

    public bool HasInfinity { get; }

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

        double quantum = Math.ScaleB(1, Math.Max(Math.ILogB(value), _smallestExponent) - MantissaBits);
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
        return sign * Math.ScaleB(hidden + mantissa, Math.Max(exponent, 1) - 1 + _smallestExponent - MantissaBits);
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

        int exponent = value == 0 ? _smallestExponent : Math.Max(Math.ILogB(value), _smallestExponent);
        uint steps = (uint)Math.ScaleB(Math.Abs(value), MantissaBits - exponent);

        // The hidden bit of a normal number adds 1 to the exponent's field.
        return sign | (((uint)(exponent - _smallestExponent) << MantissaBits) + steps);
    }

    /// <summary>Reads as many numbers as <paramref name="values"/> is long.</summary>
    public void Widen(byte* source, Span<float> values)
    {
        if (Bytes == sizeof(float))
        {
            new ReadOnlySpan<float>(source, values.Length).CopyTo(values);
        }

        for (int i = 0; Bytes < sizeof(float) && i < values.Length; i++)
        {
            values[i] = _values[Bytes == 1 ? source[i] : ((ushort*)source)[i]];
        }
    }

    /// <summary>Writes all of <paramref name="values"/>, rounded.</summary>
    public void Store(ReadOnlySpan<float> values, byte* destination)
    {
        if (Bytes == sizeof(float))
        {
            values.CopyTo(new Span<float>(destination, values.Length));
        }

        for (int i = 0; Bytes < sizeof(float) && i < values.Length; i++)
        {
            uint bits = Encode(Round(values[i]));
            if (Bytes == 1)
            {
                destination[i] = (byte)bits;
            }
            else
            {
                ((ushort*)destination)[i] = (ushort)bits;
            }
        }
    }

    public override string ToString() => Name;
}
