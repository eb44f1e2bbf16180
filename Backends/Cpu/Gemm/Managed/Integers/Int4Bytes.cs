using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>4-bit integers by bytes, of which four products are added at a time; unsigned, as instructions want one side.</summary>
internal readonly unsafe struct Int4Bytes<TSimd, TVector> : IIntegerElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    private const uint LowHalves = 0x0F0F_0F0F;
    private const uint SignsOfHalves = 0x8888_8888;

    public static int BlockColumns => Int4Panels<TSimd, TVector>.BlockColumns;

    public static int Steps => 2;

    public static int Zero => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector First(byte* vector) => TSimd.AndBits(Load(vector), TSimd.BroadcastBits(LowHalves));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Second(byte* vector) =>
        TSimd.AndBits(TSimd.ShiftWordsRightArithmetic(Load(vector), 4), TSimd.BroadcastBits(LowHalves));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Add(TVector sums, TVector operand, TVector token) => TSimd.AddBytes(sums, operand, token);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sum(TVector sums) => TSimd.SumOfBytes(sums);

    public static TVector Column(byte* vector, int column) => Int4Panels<TSimd, TVector>.Column(vector, column);

    public static void Pack(ReadOnlySpan<sbyte> integers, byte* blocks, int lane) => Int4Panels<TSimd, TVector>.Pack(integers, blocks, lane);

    // The sign bit inverted, -8 to 7 becomes 0 to 15.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Load(byte* vector) => TSimd.XorBits(TSimd.Load((float*)vector), TSimd.BroadcastBits(SignsOfHalves));
}
