using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>How a matrix <c>[rows, columns]</c> lies in memory for the panel kernels.</summary>
/// <remarks>
/// A panel is some rows, as many as two vectors have lanes, with zero rows filling the last one. It is stored column after column, so that
/// a kernel reads it from end to end, in groups of 32 columns, the last one filled with zero columns. Inside a group:
/// <code>
/// f32         32 columns of [rows] floats
/// bf16, f16   16 pairs of columns, a 32-bit lane a row: the even column in the lower half, the odd one in the upper
/// </code>
/// Codes with scales lie in blocks of 512 columns, the last one shorter: the scales of the block, as short as their encoding has them (<see
/// cref="Codes.PanelScales{TSimd, TVector}"/>), then pairs of columns:
/// <code>
/// 1, 2 bits   a byte for two rows, of both halves of the panel, the even column below the odd one
/// 3, 4 bits   a byte for each row, the even column below the odd one
/// 5, 6 bits   the lower 4 bits as those, behind them the upper ones as 2 bits
/// 7, 8 bits   2 columns of [rows] bytes
/// </code>
/// For tokens that are integers as well, a lane of 32 bits holds neighbouring columns of a row, and a group is blocks of one lane for each row:
/// <code>
/// 8 bits      [rows] scales, then [rows] offsets where there are any, then 8 blocks of 4 columns: 0, 2, 1, 3 from the lowest byte on
/// 4 bits      the same with 4 blocks of 8 columns: 0, 2, 4, 6, 1, 3, 5, 7 from the lowest half of a byte on
/// </code>
/// Where each 16 columns have scales, those of the second half stand between the halves.
/// The panels of any other encoding are its rows as they are stored, one after the other, decoded a block of columns at a time.
/// </remarks>
internal static unsafe class PanelFormat
{
    /// <summary>Columns that are multiplied as integers with one scale, and to whose multiple every matrix is filled up.</summary>
    public const int GroupColumns = 32;

    /// <summary>Bytes of a cache line.</summary>
    public const int LineBytes = 64;

    /// <summary>Groups of a row.</summary>
    public static int Groups(int columns) => (int)(((long)columns + GroupColumns - 1) / GroupColumns);

    /// <summary>Columns with those that fill the last group.</summary>
    public static long PaddedColumns(int columns) => (long)Groups(columns) * GroupColumns;

    /// <summary>Asks memory for cache lines, which are not read and may be anywhere.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(byte* next, int lines)
    {
        for (; Sse.IsSupported && lines > 0; lines--, next += LineBytes)
        {
            Sse.Prefetch1(next);
        }
    }

    /// <summary>Stores 16-bit weights of a row in a group: a lane of 32 bits holds an even column below an odd one.</summary>
    public static void PackHalves(ReadOnlySpan<byte> row, int column, int count, byte* group, int lane, int lanes)
    {
        ReadOnlySpan<ushort> weights = MemoryMarshal.Cast<byte, ushort>(row).Slice(column, count);
        for (int i = 0; i < count; i++)
        {
            ((ushort*)group)[(((i / 2 * lanes) + lane) * 2) + (i % 2)] = weights[i];
        }
    }
}
