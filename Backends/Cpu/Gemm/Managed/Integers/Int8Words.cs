using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>8-bit integers by words: in a lane columns 0 and 1 in the even bytes, 2 and 3 in the odd ones, so that shifts make words of them.</summary>
internal readonly unsafe struct Int8Words<TSimd, TVector> : IIntegerElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    private const int BitsOfByte = 8;

    public static int BlockColumns => 4;

    public static int Steps => 2;

    public static int Zero => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector First(byte* vector) => TSimd.ShiftWordsRightArithmetic(TSimd.ShiftWordsLeft(TSimd.Load((float*)vector), BitsOfByte), BitsOfByte);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Second(byte* vector) => TSimd.ShiftWordsRightArithmetic(TSimd.Load((float*)vector), BitsOfByte);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Add(TVector sums, TVector operand, TVector token) => TSimd.AddIntegers(sums, TSimd.MultiplyWords(operand, token));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sum(TVector sums) => sums;

    public static TVector Column(byte* vector, int column) => TSimd.TakeSigned(TSimd.Load((float*)vector), BitsOfByte * ByteOf(column), BitsOfByte);

    public static void Pack(ReadOnlySpan<sbyte> integers, byte* blocks, int lane)
    {
        var lanes = (sbyte*)blocks + (lane * sizeof(uint));
        for (int i = 0; i < integers.Length; i++)
        {
            lanes[(i / BlockColumns * 2 * TSimd.Count * sizeof(uint)) + ByteOf(i % BlockColumns)] = integers[i];
        }
    }

    private static int ByteOf(int column) => (column % 2 * 2) + (column / 2);
}
