using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>IEEE half precision, finite.</summary>
/// <remarks>
/// With the half in the upper bits, a shift by 3 puts its exponent and mantissa where float32 has them, and the mask clears the copies of
/// the sign. What is left is the difference of the exponents' biases, 127 - 15, made up by a multiplication that is exact, also for
/// subnormals. Infinities and NaNs would come out as large numbers, which is why they are refused where weights are packed.
/// </remarks>
internal readonly unsafe struct Float16Element<TSimd, TVector> : IFloatElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const uint SignExponentMantissa = 0x8FFF_E000;

    // 2^(127 - 15) as float32 bits.
    private const uint BiasDifference = (127 + 127 - 15) << 23;

    public static int PairBytes => 2 * TSimd.Count * sizeof(uint);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = Widen(TSimd.ShiftBitsLeft(TSimd.Load((float*)pair), 16));
        second = Widen(TSimd.ShiftBitsLeft(TSimd.Load((float*)pair + TSimd.Count), 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = Widen(TSimd.Load((float*)pair));
        second = Widen(TSimd.Load((float*)pair + TSimd.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TVector Widen(TVector upperHalf) => TSimd.Multiply(
        TSimd.AndBits(TSimd.ShiftBitsRightArithmetic(upperHalf, 3), TSimd.BroadcastBits(SignExponentMantissa)),
        TSimd.BroadcastBits(BiasDifference));

    public static void Pack(ReadOnlySpan<byte> row, int column, int count, byte* group, int lane) =>
        PanelFormat.PackHalves(row, column, count, group, lane, 2 * TSimd.Count);
}
