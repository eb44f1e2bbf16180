using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>4-bit integers, each row's scaled by a number of its own for every group of columns; a byte holds a row's even and odd column of a pair.</summary>
internal readonly unsafe struct Int4Element<TSimd, TVector> : IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    public static int ScaleBytes => 2 * TSimd.Count * sizeof(float);

    public static int PairBytes => 2 * TSimd.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* group, out TVector first, out TVector second)
    {
        first = TSimd.Load((float*)group);
        second = TSimd.Load((float*)group + TSimd.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = TSimd.Multiply(TSimd.LoadLowInt4((sbyte*)pair), firstScale);
        second = TSimd.Multiply(TSimd.LoadLowInt4((sbyte*)pair + TSimd.Count), secondScale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = TSimd.Multiply(TSimd.LoadHighInt4((sbyte*)pair), firstScale);
        second = TSimd.Multiply(TSimd.LoadHighInt4((sbyte*)pair + TSimd.Count), secondScale);
    }

    public static void Pack(ReadOnlySpan<byte> row, int column, int count, byte* group, int lane)
    {
        WeightEncoding encoding = WeightEncodings.Int4;
        ReadOnlySpan<byte> block = row.Slice(column / encoding.BlockColumns * encoding.BlockBytes, encoding.BlockBytes);
        ((float*)group)[lane] = BFloat16Encoding.Widen(MemoryMarshal.Read<ushort>(block));
        byte* pairs = group + ScaleBytes;
        for (int i = 0; i < (count + 1) / 2; i++)
        {
            pairs[(i * 2 * TSimd.Count) + lane] = block[Int4Encoding.ScaleBytes + i];
        }
    }
}
