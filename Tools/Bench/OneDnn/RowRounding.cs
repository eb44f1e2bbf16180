using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Bench.OneDnn;

/// <summary>Rounds rows of weights or tokens to what oneDNN multiplies.</summary>
internal abstract class RowRounding
{
    /// <summary>bfloat16, to nearest even.</summary>
    public static RowRounding BFloat16 { get; } = new ToBFloat16();

    /// <summary>8-bit integers with a scale for the row: max|x| / 127.</summary>
    public static RowRounding Int8 { get; } = new ToIntegers(127);

    /// <summary>The same of 7 bits, max|x| / 63: a sum of two products with 8-bit integers fits 16 bits.</summary>
    public static RowRounding Int7 { get; } = new ToIntegers(63);

    /// <summary>The elements' type.</summary>
    public abstract OneDnnType Type { get; }

    /// <summary>Bytes of an element.</summary>
    public abstract int Bytes { get; }

    /// <summary>Rounds a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="rounded">As many elements.</param>
    /// <returns>The scale: x ≈ scale · rounded.</returns>
    public abstract float Round(ReadOnlySpan<float> row, Span<byte> rounded);

    /// <summary>The numbers that a rounded row stands for.</summary>
    /// <param name="rounded">The elements.</param>
    /// <param name="scale">Their scale.</param>
    /// <param name="row">As many numbers.</param>
    public abstract void Widen(ReadOnlySpan<byte> rounded, float scale, Span<float> row);

    private sealed class ToBFloat16 : RowRounding
    {
        // Half a unit of the last place that is kept, less what makes it even.
        private const uint BelowHalf = 0x7FFF;
        private const int Dropped = 16;

        public override OneDnnType Type => OneDnnType.BFloat16;

        public override int Bytes => sizeof(ushort);

        public override float Round(ReadOnlySpan<float> row, Span<byte> rounded)
        {
            ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(row);
            Span<ushort> kept = MemoryMarshal.Cast<byte, ushort>(rounded);
            int i = 0;
            for (; i + Vector<ushort>.Count <= bits.Length; i += Vector<ushort>.Count)
            {
                Vector<uint> high = Upper(new Vector<uint>(bits[(i + Vector<uint>.Count)..]));
                Vector.Narrow(Upper(new Vector<uint>(bits[i..])), high).CopyTo(kept[i..]);
            }

            for (; i < bits.Length; i++)
            {
                kept[i] = BFloat16Encoding.Round(row[i]);
            }

            return 1;
        }

        public override void Widen(ReadOnlySpan<byte> rounded, float scale, Span<float> row)
        {
            ReadOnlySpan<ushort> kept = MemoryMarshal.Cast<byte, ushort>(rounded);
            for (int i = 0; i < kept.Length; i++)
            {
                row[i] = BFloat16Encoding.Widen(kept[i]);
            }
        }

        private static Vector<uint> Upper(Vector<uint> bits) =>
            (bits + new Vector<uint>(BelowHalf) + ((bits >> Dropped) & Vector<uint>.One)) >> Dropped;
    }

    private sealed class ToIntegers(float most) : RowRounding
    {
        public override OneDnnType Type => OneDnnType.Int8;

        public override int Bytes => sizeof(sbyte);

        public override float Round(ReadOnlySpan<float> row, Span<byte> rounded)
        {
            float largest = Math.Abs(TensorPrimitives.MaxMagnitude(row));
            if (largest == 0)
            {
                rounded.Clear();
                return 0;
            }

            float inverse = most / largest;
            Span<sbyte> kept = MemoryMarshal.Cast<byte, sbyte>(rounded);
            int step = Vector<float>.Count;
            int i = 0;
            for (; i + Vector<sbyte>.Count <= row.Length; i += Vector<sbyte>.Count)
            {
                ReadOnlySpan<float> part = row[i..];
                Vector<short> low = Vector.Narrow(Nearest(part, inverse), Nearest(part[step..], inverse));
                Vector<short> high = Vector.Narrow(Nearest(part[(2 * step)..], inverse), Nearest(part[(3 * step)..], inverse));
                Vector.Narrow(low, high).CopyTo(kept[i..]);
            }

            for (; i < row.Length; i++)
            {
                kept[i] = (sbyte)MathF.Round(row[i] * inverse);
            }

            return largest / most;
        }

        public override void Widen(ReadOnlySpan<byte> rounded, float scale, Span<float> row)
        {
            for (int i = 0; i < rounded.Length; i++)
            {
                row[i] = scale * (sbyte)rounded[i];
            }
        }

        private static Vector<int> Nearest(ReadOnlySpan<float> values, float inverse) =>
            Vector.ConvertToInt32(Vector.Round(new Vector<float>(values) * inverse));
    }
}
