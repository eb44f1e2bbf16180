using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeFfn.Backends.Encodings;

/// <summary>What numbers codes of up to 8 bits stand for. Immutable.</summary>
internal abstract class CodeBook
{
    /// <summary>A code is the integer that it is.</summary>
    public static CodeBook Integers { get; } = new IntegerBook();

    /// <summary>4-bit floats: a sign, 2 bits of exponent with bias 1, 1 of mantissa. Minus zero is read as zero.</summary>
    public static CodeBook E2M1 { get; } = OfTable([0, 0.5f, 1, 1.5f, 2, 3, 4, 6, 0, -0.5f, -1, -1.5f, -2, -3, -4, -6]);

    /// <summary>8-bit floats with 4 bits of exponent and no infinities; 0x7F and 0xFF are NaN.</summary>
    public static CodeBook E4M3 { get; } = new E4M3Book();

    /// <summary>8-bit floats with 5 bits of exponent, the upper half of IEEE half precision.</summary>
    public static CodeBook E5M2 { get; } = OfTable([.. Enumerable.Range(0, 256).Select(static bits =>
        (float)BitConverter.UInt16BitsToHalf((ushort)(bits << 8)))]);

    /// <summary>A table of 16 or of 256 numbers.</summary>
    public static CodeBook OfTable(float[] values) => values.Length switch
    {
        16 => new SmallBook(values),
        256 => new LargeBook(values),
        _ => throw new ArgumentException($"A code book has 16 or 256 numbers, not {values.Length}.", nameof(values)),
    };

    /// <summary>The numbers of a table of 16; null of other books.</summary>
    public virtual float[]? Table => null;

    /// <summary>The 8-bit integers that the numbers of a table are, times <see cref="Unit"/>; null of other books and where there are none.</summary>
    public virtual sbyte[]? Multiples => null;

    /// <summary>The power of two that <see cref="Multiples"/> are multiples of.</summary>
    public virtual float Unit => 1;

    /// <summary>Looks codes up.</summary>
    /// <param name="codes">The codes, one a byte, each within the book.</param>
    /// <param name="values">Receives as many numbers.</param>
    public abstract void Expand(ReadOnlySpan<byte> codes, Span<float> values);

    private static void Widen(Vector<byte> codes, Span<Vector<uint>> quarters)
    {
        Vector.Widen(codes, out Vector<ushort> low, out Vector<ushort> high);
        Vector.Widen(low, out quarters[0], out quarters[1]);
        Vector.Widen(high, out quarters[2], out quarters[3]);
    }

    private sealed class IntegerBook : CodeBook
    {
        public override void Expand(ReadOnlySpan<byte> codes, Span<float> values)
        {
            Span<Vector<uint>> quarters = stackalloc Vector<uint>[4];
            int i = 0;
            for (; i + Vector<byte>.Count <= codes.Length; i += Vector<byte>.Count)
            {
                Widen(new Vector<byte>(codes[i..]), quarters);
                for (int j = 0; j < quarters.Length; j++)
                {
                    Vector.ConvertToSingle(Vector.AsVectorInt32(quarters[j])).CopyTo(values[(i + (j * Vector<float>.Count))..]);
                }
            }

            for (; i < codes.Length; i++)
            {
                values[i] = codes[i];
            }
        }
    }

    private sealed class E4M3Book : CodeBook
    {
        // Exponent and mantissa where float32 has them are the number times 2^(7 - 127), its subnormals too; a product
        // puts that right exactly.
        private const int MantissaShift = 20;
        private const uint SizeBits = 0x7F;

        private static readonly float Rebias = MathF.ScaleB(1, 127 - 7);

        public override void Expand(ReadOnlySpan<byte> codes, Span<float> values)
        {
            Span<Vector<uint>> quarters = stackalloc Vector<uint>[4];
            Vector<uint> nan = Vector.AsVectorUInt32(new Vector<float>(float.NaN));
            int i = 0;
            for (; i + Vector<byte>.Count <= codes.Length; i += Vector<byte>.Count)
            {
                Widen(new Vector<byte>(codes[i..]), quarters);
                for (int j = 0; j < quarters.Length; j++)
                {
                    Vector<uint> size = quarters[j] & new Vector<uint>(SizeBits);
                    Vector<float> magnitude = Vector.AsVectorSingle(size << MantissaShift) * Rebias;
                    Vector<uint> bits = Vector.AsVectorUInt32(magnitude) | ((quarters[j] ^ size) << 24);
                    bits = Vector.ConditionalSelect(Vector.Equals(size, new Vector<uint>(SizeBits)), nan, bits);
                    Vector.AsVectorSingle(bits).CopyTo(values[(i + (j * Vector<float>.Count))..]);
                }
            }

            for (; i < codes.Length; i++)
            {
                values[i] = E4M3Encoding.Value(codes[i]);
            }
        }
    }

    private sealed class SmallBook(float[] table) : CodeBook
    {
        private const int Half = 8;

        // Units that are tried, the largest first: of an eighth are the finest tables of integers.
        private static readonly float[] Units = [1, 1 / 2f, 1 / 4f, 1 / 8f];

        public override float[] Table => table;

        public override sbyte[]? Multiples { get; } =
            UnitOf(table) is { } unit ? [.. table.Select(number => (sbyte)(number / unit))] : null;

        public override float Unit { get; } = UnitOf(table) ?? 1;

        private readonly Vector256<float> _low = Vector256.Create(table.AsSpan(0, Half));
        private readonly Vector256<float> _high = Vector256.Create(table.AsSpan(Half, Half));

        public override void Expand(ReadOnlySpan<byte> codes, Span<float> values)
        {
            int i = 0;
            if (Avx2.IsSupported)
            {
                // A permutation looks at the three lowest bits; the fourth, moved to the sign, chooses between the halves.
                for (; i + Half <= codes.Length; i += Half)
                {
                    Vector256<int> index = Avx2.ConvertToVector256Int32(
                        Vector128.CreateScalarUnsafe(MemoryMarshal.Read<ulong>(codes[i..])).AsByte());
                    Avx.BlendVariable(
                        Avx2.PermuteVar8x32(_low, index), Avx2.PermuteVar8x32(_high, index), (index << 28).AsSingle()).CopyTo(values[i..]);
                }
            }

            for (; i < codes.Length; i++)
            {
                values[i] = table[codes[i]];
            }
        }

        private static float? UnitOf(float[] table)
        {
            foreach (float unit in Units)
            {
                if (Array.TrueForAll(table, number => (sbyte)Math.Clamp(number / unit, sbyte.MinValue, sbyte.MaxValue) * unit == number))
                {
                    return unit;
                }
            }

            return null;
        }
    }

    private sealed class LargeBook(float[] table) : CodeBook
    {
        public override void Expand(ReadOnlySpan<byte> codes, Span<float> values)
        {
            for (int i = 0; i < codes.Length; i++)
            {
                values[i] = table[codes[i]];
            }
        }
    }
}
