using System.Numerics;
using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Encodings;

/// <summary>bfloat16, the upper half of a float32: 2 bytes a weight, rounded to nearest even.</summary>
internal sealed class BFloat16Encoding() : WeightEncoding("bf16", blockColumns: 1, blockBytes: sizeof(ushort))
{
    /// <inheritdoc/>
    public override FfnPrecision? Precision => FfnPrecision.BFloat16;

    /// <inheritdoc/>
    public override double? Error => 1.7e-3;

    /// <inheritdoc/>
    public override bool HoldsNonFinite => true;

    /// <summary>
    /// Rounds to nearest even; what is too large becomes infinite, and a NaN stays one: rounding could carry it into an infinity.
    /// </summary>
    public static ushort Round(float value)
    {
        const uint quietNaN = 0x0040_0000;
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((float.IsNaN(value) ? bits | quietNaN : bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>A bfloat16 as float32, exactly.</summary>
    public static float Widen(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <inheritdoc/>
    public override void Decode(ReadOnlySpan<byte> row, int firstColumn, Span<float> weights)
    {
        ReadOnlySpan<ushort> source = Numbers<ushort>(row).Slice(firstColumn, weights.Length);
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(weights);
        int i = 0;
        for (; i + Vector<ushort>.Count <= source.Length; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out Vector<uint> low, out Vector<uint> high);
            (low << 16).CopyTo(bits[i..]);
            (high << 16).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }

        for (; i < source.Length; i++)
        {
            bits[i] = (uint)source[i] << 16;
        }
    }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<float> weights, Span<byte> row)
    {
        Span<ushort> stored = Numbers<ushort>(row);
        for (int i = 0; i < weights.Length; i++)
        {
            stored[i] = Round(weights[i]);
        }
    }
}
