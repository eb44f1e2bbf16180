namespace NativeFfn.Tests.Software;

/// <summary>Number formats of the device.</summary>
internal enum Number
{
    F32,
    BF16,
    F16,
    E4M3,
}

/// <summary>Conversions between float32 and the narrow formats, to nearest even.</summary>
internal static unsafe class Numbers
{
    public const float LargestE4M3 = 448;

    private const byte NanE4M3 = 0x7F;
    private const byte LargestCodeE4M3 = 0x7E;
    private const int QuietBit = 0x40;

    private static readonly float[] E4M3Values = [.. Enumerable.Range(0, 256).Select(static code => DecodeE4M3((byte)code))];

    public static int Size(this Number number) => number switch { Number.F32 => 4, Number.E4M3 => 1, _ => 2 };

    /// <summary>Reads as many numbers as <paramref name="values"/> is long.</summary>
    public static void Widen(Number number, byte* source, Span<float> values)
    {
        switch (number)
        {
            case Number.F32:
                new ReadOnlySpan<float>(source, values.Length).CopyTo(values);
                break;
            case Number.BF16:
                for (int i = 0; i < values.Length; i++)
                {
                    values[i] = BFloat16(((ushort*)source)[i]);
                }

                break;
            case Number.F16:
                for (int i = 0; i < values.Length; i++)
                {
                    values[i] = (float)((Half*)source)[i];
                }

                break;
            default:
                for (int i = 0; i < values.Length; i++)
                {
                    values[i] = E4M3Values[source[i]];
                }

                break;
        }
    }

    /// <summary>Writes all of <paramref name="values"/>, rounded.</summary>
    public static void Round(Number number, ReadOnlySpan<float> values, byte* destination)
    {
        switch (number)
        {
            case Number.F32:
                values.CopyTo(new Span<float>(destination, values.Length));
                break;
            case Number.BF16:
                for (int i = 0; i < values.Length; i++)
                {
                    ((ushort*)destination)[i] = BFloat16(values[i]);
                }

                break;
            case Number.F16:
                for (int i = 0; i < values.Length; i++)
                {
                    ((Half*)destination)[i] = (Half)values[i];
                }

                break;
            default:
                for (int i = 0; i < values.Length; i++)
                {
                    destination[i] = E4M3(values[i]);
                }

                break;
        }
    }

    public static float BFloat16(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    public static ushort BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
        {
            return (ushort)((bits >> 16) | QuietBit);
        }

        uint even = (bits >> 16) & 1;
        return (ushort)((bits + 0x7FFF + even) >> 16);
    }

    public static float E4M3(byte bits) => E4M3Values[bits];

    /// <summary>
    /// Finite numbers beyond 448 become 448, with their sign; NaN stays NaN, and so do infinities, which the format lacks.
    /// </summary>
    public static byte E4M3(float value)
    {
        byte sign = (byte)(float.IsNegative(value) ? 0x80 : 0);
        if (!float.IsFinite(value))
        {
            return (byte)(sign | NanE4M3);
        }

        float magnitude = MathF.Abs(value);
        if (magnitude >= LargestE4M3)
        {
            return (byte)(sign | LargestCodeE4M3);
        }

        // The codes of positive numbers are in the order of their values.
        int above = Array.BinarySearch(E4M3Values, 0, LargestCodeE4M3 + 1, magnitude);
        if (above >= 0)
        {
            return (byte)(sign | above);
        }

        above = ~above;
        double middle = ((double)E4M3Values[above - 1] + E4M3Values[above]) / 2;
        bool up = magnitude == middle ? above % 2 == 0 : magnitude > middle;
        return (byte)(sign | (up ? above : above - 1));
    }

    /// <summary>
    /// To the ten bits behind the point that TF32 keeps; the middle goes away from zero, as the hardware's rounding has it.
    /// </summary>
    public static float TensorFloat32(float value)
    {
        const uint Half = 1 << 12;
        const uint Kept = ~((1u << 13) - 1);
        return float.IsFinite(value) ? BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(value) + Half) & Kept) : value;
    }

    private static float DecodeE4M3(byte code)
    {
        int exponent = (code >> 3) & 0xF;
        int mantissa = code & 7;
        float magnitude = (code & 0x7F) == NanE4M3 ? float.NaN
            : exponent == 0 ? MathF.ScaleB(mantissa, -9)
            : MathF.ScaleB(8 + mantissa, exponent - 10);
        return MathF.CopySign(magnitude, (code & 0x80) != 0 ? -1 : 1);
    }
}
