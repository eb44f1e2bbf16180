using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Codes;

/// <summary>Codes of 5 and 6 bits: the lower 4 as <see cref="Codes4{TSimd, TVector}"/> has them, behind them the others as <see cref="Codes2{TSimd, TVector}"/> has.</summary>
internal readonly unsafe struct Codes6<TSimd, TVector> : ICodeElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    private const uint LowBits = 0xF;
    private const uint HighBits = 0x30;

    private static int LowBytes => Codes4<TSimd, TVector>.PairBytes;

    public static int PairBytes => LowBytes + Codes2<TSimd, TVector>.PairBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, float* book, out TVector first, out TVector second)
    {
        TVector high = TSimd.LoadBytes(pair + LowBytes);
        first = Join(TSimd.AndBits(TSimd.LoadBytes(pair), TSimd.BroadcastBits(LowBits)), TSimd.ShiftBitsLeft(high, 4));
        second = Join(TSimd.AndBits(TSimd.LoadBytes(pair + TSimd.Count), TSimd.BroadcastBits(LowBits)), high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, float* book, out TVector first, out TVector second)
    {
        TVector high = TSimd.LoadBytes(pair + LowBytes);
        first = Join(TSimd.ShiftBitsRightArithmetic(TSimd.LoadBytes(pair), 4), TSimd.ShiftBitsLeft(high, 2));
        second = Join(TSimd.ShiftBitsRightArithmetic(TSimd.LoadBytes(pair + TSimd.Count), 4), TSimd.ShiftBitsRightArithmetic(high, 2));
    }

    public static void Pack(ReadOnlySpan<byte> codes, byte* pairs, int lane)
    {
        for (int i = 0; i < codes.Length; i++)
        {
            byte* pair = pairs + (i / 2 * PairBytes);
            pair[lane] |= (byte)((codes[i] & LowBits) << (i % 2 * 4));
            Codes2<TSimd, TVector>.PackOne(codes[i] >> 4, i, pair + LowBytes, lane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Join(TVector low, TVector high) =>
        TSimd.ToSingle(TSimd.OrBits(low, TSimd.AndBits(high, TSimd.BroadcastBits(HighBits))));
}
