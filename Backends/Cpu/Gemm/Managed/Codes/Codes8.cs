using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Codes;

/// <summary>Codes of 7 and 8 bits that are integers, column after column of a byte for each row.</summary>
internal readonly unsafe struct Codes8<TSimd, TVector> : ICodeElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    public static int PairBytes => 4 * TSimd.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = TSimd.ToSingle(TSimd.LoadBytes(pair));
        second = TSimd.ToSingle(TSimd.LoadBytes(pair + TSimd.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, float* book, out TVector first, out TVector second) => Even(pair + (2 * TSimd.Count), book, out first, out second);

    public static void Pack(ReadOnlySpan<byte> codes, byte* pairs, int lane)
    {
        for (int i = 0; i < codes.Length; i++)
        {
            pairs[(i * 2 * TSimd.Count) + lane] = codes[i];
        }
    }
}
