using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;
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

    /// <summary>Bytes of the scales at the head of a group.</summary>
    public static int ScaleBytes => 2 * TSimd.Count * sizeof(ushort);

    /// <summary>Reads the scales of a group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* group, out TVector first, out TVector second)
    {
        first = TSimd.LoadBFloat16((ushort*)group);
        second = TSimd.LoadBFloat16((ushort*)group + TSimd.Count);
    }

    /// <summary>The integer of a column of a block.</summary>
    public static TVector Column(byte* vector, int column)
    {
        const int Top = 32 - BitsOfCode;
        return TSimd.ShiftBitsRightArithmetic(TSimd.ShiftBitsLeft(TSimd.Load((float*)vector), Top - BitOf(column)), Top);
    }

    /// <summary>Stores a row's block of 32 weights.</summary>
    public static void Pack(ReadOnlySpan<byte> block, byte* group, int lane)
    {
        ((ushort*)group)[lane] = MemoryMarshal.Read<ushort>(block);
        var lanes = (uint*)(group + ScaleBytes) + lane;
        for (int i = 0; i < PanelFormat.GroupColumns; i++)
        {
            uint code = (uint)(block[Int4Encoding.ScaleBytes + (i / 2)] >> (i % 2 * BitsOfCode)) & 0xF;
            lanes[i / BlockColumns * 2 * TSimd.Count] |= code << BitOf(i % BlockColumns);
        }
    }

    private static int BitOf(int column) => (column % 2 * 16) + (column / 2 * BitsOfCode);
}
