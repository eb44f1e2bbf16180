using System.Numerics;
using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>IEEE half precision: 2 bytes a weight, rounded to nearest even; beyond 65504 it becomes infinite.</summary>
internal sealed class Float16Encoding() : WeightEncoding("f16", blockColumns: 1, blockBytes: sizeof(ushort))
{
    /// <inheritdoc/>
    public override FfnPrecision? Precision => FfnPrecision.Float16;

    /// <inheritdoc/>
    public override double? Error => 2.1e-4;

    /// <inheritdoc/>
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        ReadOnlySpan<ushort> source = Numbers<ushort>(row).Slice(firstColumn, weights.Length);
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(weights);
        int i = 0;
        for (; i + Vector<ushort>.Count <= source.Length; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out Vector<uint> low, out Vector<uint> high);
            Float16Bits(low).CopyTo(bits[i..]);
            Float16Bits(high).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }

        if (i < source.Length)
        {
            // The rest goes through the same lanes, zeros behind it.
            Span<ushort> rest = stackalloc ushort[Vector<ushort>.Count];
            rest.Clear();
            source[i..].CopyTo(rest);
            Span<uint> widened = stackalloc uint[Vector<ushort>.Count];
            Vector.Widen(new Vector<ushort>(rest), out Vector<uint> low, out Vector<uint> high);
            Float16Bits(low).CopyTo(widened);
            Float16Bits(high).CopyTo(widened[Vector<uint>.Count..]);
            widened[..(source.Length - i)].CopyTo(bits[i..]);
        }
    }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<float> weights, Span<byte> row)
    {
        Span<ushort> stored = Numbers<ushort>(row);
        for (int i = 0; i < weights.Length; i++)
        {
            stored[i] = BitConverter.HalfToUInt16Bits((Half)weights[i]);
        }
    }

    // A lane holds one half: 1 sign, 5 exponent (bias 15) and 10 mantissa bits. Shifting by 13 puts exponent and mantissa where float32
    // has them; what is left is to move the bias to 127, to keep infinities and NaNs at the top, and to normalise subnormals, which
    // a float subtraction of the hidden bit does exactly and without a subnormal operand.
    private static Vector<uint> Float16Bits(Vector<uint> half)
    {
        Vector<uint> topExponent = new(0x0F80_0000);
        Vector<uint> shifted = (half & new Vector<uint>(0x7FFF)) << 13;
        Vector<uint> exponent = shifted & topExponent;
        Vector<uint> normal = shifted + new Vector<uint>((127 - 15) << 23);
        Vector<uint> special = shifted + new Vector<uint>((255 - 31) << 23);
        Vector<float> hiddenBit = new(BitConverter.UInt32BitsToSingle((127 - 14) << 23));
        Vector<uint> subnormal = Vector.AsVectorUInt32(Vector.AsVectorSingle(normal + new Vector<uint>(1 << 23)) - hiddenBit);
        Vector<uint> magnitude = Vector.ConditionalSelect(
            Vector.Equals(exponent, topExponent),
            special,
            Vector.ConditionalSelect(Vector.Equals(exponent, Vector<uint>.Zero), subnormal, normal));
        return magnitude | ((half & new Vector<uint>(0x8000)) << 16);
    }
}
