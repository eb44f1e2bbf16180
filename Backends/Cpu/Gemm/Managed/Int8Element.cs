using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>8-bit integers, each row's scaled by a number of its own for every group of columns.</summary>
internal readonly unsafe struct Int8Element<TSimd, TVector> : IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    public static int ScaleBytes => 2 * TSimd.Count * sizeof(float);

    public static int PairBytes => 4 * TSimd.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* group, out TVector first, out TVector second)
    {
        first = TSimd.Load((float*)group);
        second = TSimd.Load((float*)group + TSimd.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = TSimd.Multiply(TSimd.LoadInt8((sbyte*)pair), firstScale);
        second = TSimd.Multiply(TSimd.LoadInt8((sbyte*)pair + TSimd.Count), secondScale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = TSimd.Multiply(TSimd.LoadInt8((sbyte*)pair + (2 * TSimd.Count)), firstScale);
        second = TSimd.Multiply(TSimd.LoadInt8((sbyte*)pair + (3 * TSimd.Count)), secondScale);
    }

    public static void Pack(ReadOnlySpan<byte> row, int column, int count, byte* group, int lane)
    {
        WeightEncoding encoding = WeightEncodings.Int8;
        ReadOnlySpan<byte> block = row.Slice(column / encoding.BlockColumns * encoding.BlockBytes, encoding.BlockBytes);
        ((float*)group)[lane] = MemoryMarshal.Read<float>(block);
        byte* steps = group + ScaleBytes;
        for (int i = 0; i < count; i++)
        {
            steps[(i * 2 * TSimd.Count) + lane] = block[Int8Encoding.ScaleBytes + i];
        }
    }
}
