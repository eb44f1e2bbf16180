using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>4-bit integers in panels, the same for every form of tokens: in a lane columns 2i and 2i + 1 of a block in bits 4i of both words.</summary>
internal static unsafe class Int4Panels<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    /// <summary>Columns of a block.</summary>
    public const int BlockColumns = 8;

    private const int BitsOfCode = 4;

    /// <summary>The integer of a column of a block.</summary>
    public static TVector Column(byte* vector, int column) => TSimd.TakeSigned(TSimd.Load((float*)vector), BitOf(column), BitsOfCode);

    /// <summary>Stores the integers of 32 columns of a row.</summary>
    public static void Pack(ReadOnlySpan<sbyte> integers, byte* blocks, int lane)
    {
        uint* lanes = (uint*)blocks + lane;
        for (int i = 0; i < integers.Length; i++)
        {
            lanes[i / BlockColumns * 2 * TSimd.Count] |= ((uint)integers[i] & 0xF) << BitOf(i % BlockColumns);
        }
    }

    private static int BitOf(int column) => (column % 2 * 16) + (column / 2 * BitsOfCode);
}
