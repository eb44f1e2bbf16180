using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>bfloat16: the upper half of a float32.</summary>
internal readonly unsafe struct BFloat16Element<TSimd, TVector> : IFloatElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    public static int PairBytes => 2 * TSimd.Count * sizeof(uint);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = TSimd.ShiftBitsLeft(TSimd.Load((float*)pair), 16);
        second = TSimd.ShiftBitsLeft(TSimd.Load((float*)pair + TSimd.Count), 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, float* book, out TVector first, out TVector second)
    {
        TVector upperHalf = TSimd.BroadcastBits(0xFFFF_0000);
        first = TSimd.AndBits(TSimd.Load((float*)pair), upperHalf);
        second = TSimd.AndBits(TSimd.Load((float*)pair + TSimd.Count), upperHalf);
    }

    public static void Pack(ReadOnlySpan<byte> row, int column, int count, byte* group, int lane) =>
        PanelFormat.PackHalves(row, column, count, group, lane, 2 * TSimd.Count);
}
