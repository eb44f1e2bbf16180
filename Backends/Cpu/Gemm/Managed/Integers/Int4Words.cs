using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>4-bit integers by words of 16 bits, into which shifts widen them.</summary>
internal readonly unsafe struct Int4Words<TSimd, TVector> : IIntegerElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    public static int BlockColumns => Int4Panels<TSimd, TVector>.BlockColumns;

    public static int Steps => 4;

    public static int Zero => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector First(byte* vector) => TSimd.ShiftWordsRightArithmetic(TSimd.ShiftWordsLeft(TSimd.Load((float*)vector), 12), 12);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Second(byte* vector) => TSimd.ShiftWordsRightArithmetic(TSimd.ShiftWordsLeft(TSimd.Load((float*)vector), 8), 12);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Third(byte* vector) => TSimd.ShiftWordsRightArithmetic(TSimd.ShiftWordsLeft(TSimd.Load((float*)vector), 4), 12);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Fourth(byte* vector) => TSimd.ShiftWordsRightArithmetic(TSimd.Load((float*)vector), 12);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Add(TVector sums, TVector operand, TVector token) => TSimd.AddIntegers(sums, TSimd.MultiplyWords(operand, token));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sum(TVector sums) => sums;

    public static TVector Column(byte* vector, int column) => Int4Panels<TSimd, TVector>.Column(vector, column);

    public static void Pack(ReadOnlySpan<sbyte> integers, byte* blocks, int lane) => Int4Panels<TSimd, TVector>.Pack(integers, blocks, lane);
}
