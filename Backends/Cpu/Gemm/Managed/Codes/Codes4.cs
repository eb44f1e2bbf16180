using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Codes;

/// <summary>Codes of up to 4 bits that are integers: a byte for each row of a pair, its even column in the lower half.</summary>
internal readonly unsafe struct Codes4<TSimd, TVector> : ICodeElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    private const uint LowHalf = 0xF;

    public static int PairBytes => 2 * TSimd.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = TSimd.ToSingle(TSimd.AndBits(TSimd.LoadBytes(pair), TSimd.BroadcastBits(LowHalf)));
        second = TSimd.ToSingle(TSimd.AndBits(TSimd.LoadBytes(pair + TSimd.Count), TSimd.BroadcastBits(LowHalf)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = TSimd.ToSingle(TSimd.ShiftBitsRightArithmetic(TSimd.LoadBytes(pair), 4));
        second = TSimd.ToSingle(TSimd.ShiftBitsRightArithmetic(TSimd.LoadBytes(pair + TSimd.Count), 4));
    }

    public static void Pack(ReadOnlySpan<byte> codes, byte* pairs, int lane)
    {
        for (int i = 0; i < codes.Length; i++)
        {
            pairs[(i / 2 * PairBytes) + lane] |= (byte)(codes[i] << (i % 2 * 4));
        }
    }
}

/// <summary>The same of codes that stand for the numbers of a table.</summary>
internal readonly unsafe struct TableCodes<TSimd, TVector> : ICodeElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    public static int PairBytes => Codes4<TSimd, TVector>.PairBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = TSimd.LookUp(book, TSimd.LoadBytes(pair));
        second = TSimd.LookUp(book, TSimd.LoadBytes(pair + TSimd.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = TSimd.LookUp(book, TSimd.ShiftBitsRightArithmetic(TSimd.LoadBytes(pair), 4));
        second = TSimd.LookUp(book, TSimd.ShiftBitsRightArithmetic(TSimd.LoadBytes(pair + TSimd.Count), 4));
    }

    public static void Pack(ReadOnlySpan<byte> codes, byte* pairs, int lane) => Codes4<TSimd, TVector>.Pack(codes, pairs, lane);
}
