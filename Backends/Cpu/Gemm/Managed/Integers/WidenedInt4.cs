using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>Groups of panels of 4-bit integers as such of 8-bit ones with float32 scales; see <see cref="PanelFormat"/>.</summary>
/// <remarks>
/// A block of columns, at most 20 KiB so, stays in the first-level cache while tiles of tokens read it. Widening it takes three instructions a vector, half
/// of what scaling a tile's sums takes.
/// </remarks>
internal static unsafe class WidenedInt4
{
    private const int VectorBytes = 64;

    // Of both vectors that hold a column or lane of a panel.
    private const int RowsBytes = 2 * VectorBytes;

    // Of 8 columns, a lane of a row, in a group; of 4 columns twice as many.
    private const int Blocks = PanelFormat.GroupColumns / 8;

    private const byte LowHalf = 0x0F;
    private const byte SignOfHalf = 0x08;

    // Where in a lane the columns 0, 2, 1, 3 of a block of 8 begin, and 4, 6, 5, 7; two lanes to 64 bits.
    private static readonly Vector512<byte> FirstFour = Vector512.Create(0x34302420_14100400UL).AsByte();
    private static readonly Vector512<byte> SecondFour = Vector512.Create(0x3C382C28_1C180C08UL).AsByte();

    /// <summary>Bytes of groups once they are widened.</summary>
    public static int Bytes(TileForm tile, int groups) => groups * ((tile.Parts * WidenedHeadBytes(tile)) + (2 * Blocks * RowsBytes));

    /// <summary>Widens groups.</summary>
    /// <param name="tile">What stands at the heads of groups.</param>
    /// <param name="columns">The groups.</param>
    /// <param name="destination">Receives <see cref="Bytes"/>.</param>
    public static void Write(TileForm tile, in PanelColumns columns, byte* destination)
    {
        byte* panel = columns.Weights;
        int widenedHead = WidenedHeadBytes(tile);
        int head = tile.Head == PanelGroupHead.BFloat16Scales ? widenedHead / 2 : widenedHead;
        for (int part = 0; part < columns.Groups * tile.Parts; part++)
        {
            for (int at = 0; at < widenedHead; at += VectorBytes)
            {
                Vector512<float> numbers = head == widenedHead ? Vector512.Load((float*)(panel + at)) : Simd512.LoadBFloat16((ushort*)(panel + (at / 2)));
                numbers.Store((float*)(destination + at));
            }

            panel += head;
            destination += widenedHead;
            for (int block = 0; block < Blocks / tile.Parts; block++)
            {
                Widen(panel, destination);
                Widen(panel + VectorBytes, destination + VectorBytes);
                panel += RowsBytes;
                destination += 2 * RowsBytes;
            }
        }
    }

    private static int WidenedHeadBytes(TileForm tile) => tile.Head == PanelGroupHead.Float32Offsets ? 2 * RowsBytes : RowsBytes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(byte* lanes, byte* destination)
    {
        Vector512<ulong> pairs = Vector512.Load((ulong*)lanes);
        Signed(Avx512Vbmi.MultiShift(FirstFour, pairs)).Store(destination);
        Signed(Avx512Vbmi.MultiShift(SecondFour, pairs)).Store(destination + RowsBytes);
    }

    // What lies in the lower halves of bytes.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Signed(Vector512<byte> halves) =>
        ((halves & Vector512.Create(LowHalf)) ^ Vector512.Create(SignOfHalf)) - Vector512.Create(SignOfHalf);
}
