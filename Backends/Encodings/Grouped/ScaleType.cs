using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>The number formats in which scales and minima of grouped codes are stored.</summary>
internal enum ScaleType
{
    /// <summary>float32.</summary>
    Float32,

    /// <summary>bfloat16.</summary>
    BFloat16,

    /// <summary>IEEE half precision.</summary>
    Float16,

    /// <summary>8 bits: 4 of exponent, 3 of mantissa, as of the weights of fp8.</summary>
    E4M3,

    /// <summary>8 bits of exponent alone, 2^(x - 127); 255 is NaN.</summary>
    E8M0,
}

/// <summary>Reads scales.</summary>
internal static class ScaleTypes
{
    private const int ExponentBias = 127;
    private const byte NotANumber = 0xFF;

    /// <summary>Bytes of a scale.</summary>
    public static int Bytes(this ScaleType type) => type switch
    {
        ScaleType.Float32 => sizeof(float),
        ScaleType.BFloat16 or ScaleType.Float16 => sizeof(ushort),
        _ => 1,
    };

    /// <summary>One of an array of scales as float32, exactly.</summary>
    /// <param name="type">The format.</param>
    /// <param name="scales">The array's bytes, of any alignment.</param>
    /// <param name="index">Which one.</param>
    public static float Read(this ScaleType type, ReadOnlySpan<byte> scales, int index)
    {
        ReadOnlySpan<byte> bytes = scales[(index * type.Bytes())..];
        return type switch
        {
            ScaleType.Float32 => MemoryMarshal.Read<float>(bytes),
            ScaleType.BFloat16 => BFloat16Encoding.Widen(MemoryMarshal.Read<ushort>(bytes)),
            ScaleType.Float16 => (float)MemoryMarshal.Read<Half>(bytes),
            ScaleType.E4M3 => E4M3Encoding.Value(bytes[0]),
            _ => bytes[0] == NotANumber ? float.NaN : MathF.ScaleB(1, bytes[0] - ExponentBias),
        };
    }
}
