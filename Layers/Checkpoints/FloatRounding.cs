namespace NativeFfn.Checkpoints;

/// <summary>Turns float32 into 16-bit floats, to the nearest and from halfway to the even one; what is too large becomes infinite.</summary>
internal static class FloatRounding
{
    private const uint QuietNaNBit = 0x0040;

    public static void ToBFloat16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        for (int i = 0; i < source.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(source[i]);

            // A NaN keeps its upper bits and is made quiet: rounding could carry it into an infinity.
            uint rounded = float.IsNaN(source[i])
                ? (bits >> 16) | QuietNaNBit
                : (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
            destination[i] = (ushort)rounded;
        }
    }

    public static void ToFloat16(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        for (int i = 0; i < source.Length; i++)
        {
            destination[i] = BitConverter.HalfToUInt16Bits((Half)source[i]);
        }
    }
}
