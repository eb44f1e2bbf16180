using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Codes;

/// <summary>8-bit floats of 4 bits of exponent and 3 of mantissa, finite, column after column of a byte for each row.</summary>
/// <remarks>
/// Moved to where float32 has exponent and mantissa, and the sign with them, they are the number times 2^(7 - 127), subnormal ones too; a product
/// puts that right exactly. NaN would come out as 480.
/// </remarks>
internal readonly unsafe struct E4M3Codes<TSimd, TVector> : ICodeElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    // The sign, which widening copied downwards, and 7 bits from 2^20 on.
    private const uint SignExponentMantissa = 0x87F0_0000;

    // 2^(127 - 7) as float32 bits.
    private const uint BiasDifference = (127 + 127 - 7) << 23;

    public static int PairBytes => Codes8<TSimd, TVector>.PairBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = Widen(TSimd.LoadBytes(pair));
        second = Widen(TSimd.LoadBytes(pair + TSimd.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, float* book, out TVector first, out TVector second) => Even(pair + (2 * TSimd.Count), book, out first, out second);

    public static void Pack(ReadOnlySpan<byte> codes, byte* pairs, int lane) => Codes8<TSimd, TVector>.Pack(codes, pairs, lane);

    /// <summary>Some 8-bit floats, each in the lowest byte of a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Widen(TVector bytes) => TSimd.Multiply(
        TSimd.AndBits(TSimd.ShiftBitsRightArithmetic(TSimd.ShiftBitsLeft(bytes, 24), 4), TSimd.BroadcastBits(SignExponentMantissa)),
        TSimd.BroadcastBits(BiasDifference));
}
