using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Codes;

/// <summary>
/// Codes of up to 2 bits: a byte for two rows of a pair, one of each half of the panel: of the first the even column in the lowest bits, then the
/// odd one, then those of the second.
/// </summary>
internal readonly unsafe struct Codes2<TSimd, TVector> : ICodeElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    private const uint TwoBits = 3;

    public static int PairBytes => TSimd.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, float* book, out TVector first, out TVector second)
    {
        TVector bytes = TSimd.LoadBytes(pair);
        first = TSimd.ToSingle(TSimd.AndBits(bytes, TSimd.BroadcastBits(TwoBits)));
        second = TSimd.ToSingle(TSimd.AndBits(TSimd.ShiftBitsRightArithmetic(bytes, 4), TSimd.BroadcastBits(TwoBits)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, float* book, out TVector first, out TVector second)
    {
        TVector bytes = TSimd.LoadBytes(pair);
        first = TSimd.ToSingle(TSimd.AndBits(TSimd.ShiftBitsRightArithmetic(bytes, 2), TSimd.BroadcastBits(TwoBits)));
        second = TSimd.ToSingle(TSimd.ShiftBitsRightArithmetic(bytes, 6));
    }

    public static void Pack(ReadOnlySpan<byte> codes, byte* pairs, int lane)
    {
        for (int i = 0; i < codes.Length; i++)
        {
            PackOne(codes[i], i, pairs + (i / 2 * PairBytes), lane);
        }
    }

    /// <summary>Stores two bits of a column.</summary>
    public static void PackOne(int bits, int column, byte* pair, int lane) =>
        pair[lane % TSimd.Count] |= (byte)(bits << ((lane / TSimd.Count * 4) + (column % 2 * 2)));
}
