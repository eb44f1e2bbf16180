using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>Groups of panels of integers as lanes that an instruction multiplies as they are; see <see cref="PanelFormat"/> for what they are unpacked from.</summary>
/// <remarks>
/// Tiles that share a block of columns then do not each unpack it. It pays off where unpacking takes the place of products, as on Intel's processors, whose
/// vectors of 512 bits have two units for everything: of 12 tokens by words 7 instructions in 10 were products, and so are 8 then.
/// </remarks>
internal static unsafe class UnpackedLanes
{
    private const int VectorBytes = 64;

    // Of both vectors that hold a column or lane of a panel.
    private const int RowsBytes = 2 * VectorBytes;

    private const byte SignOfByte = 0x80;
    private const byte SignsOfHalves = 0x88;
    private const byte LowHalf = 0x0F;

    // What stays in a first-level cache of 48 KiB beside a tile's tokens.
    private const int MostBytes = 40 * 1024;

    /// <summary>Groups that are unpacked at a time.</summary>
    public static int GroupsAtATime(TileForm tile) => MostBytes / Bytes(tile, 1);

    /// <summary>Bytes of groups once they are unpacked.</summary>
    public static int Bytes(TileForm tile, int groups) => groups * ((tile.Parts * HeadBytes(tile.OfLanes)) + (LanesOf(tile) * RowsBytes));

    /// <summary>Unpacks groups.</summary>
    /// <param name="tile">The tile that multiplies them packed.</param>
    /// <param name="panel">The groups.</param>
    /// <param name="groups">Their number.</param>
    /// <param name="destination">Receives <see cref="Bytes"/>.</param>
    public static void Write(TileForm tile, byte* panel, int groups, byte* destination)
    {
        int head = HeadBytes(tile), unpackedHead = HeadBytes(tile.OfLanes);
        int lanesOfBlock = tile.Product == DotProduct.Bytes ? 1 : 2;
        if (tile.Weights == PanelWeights.Int4)
        {
            lanesOfBlock *= 2;
        }

        int blocks = LanesOf(tile) / lanesOfBlock / tile.Parts;
        for (int part = 0; part < groups * tile.Parts; part++)
        {
            for (int at = 0; at < unpackedHead; at += VectorBytes)
            {
                Vector512<float> numbers = head == unpackedHead ? Vector512.Load((float*)(panel + at)) : Simd512.LoadBFloat16((ushort*)(panel + (at / 2)));
                numbers.Store((float*)(destination + at));
            }

            panel += head;
            destination += unpackedHead;
            for (int block = 0; block < blocks; block++)
            {
                Unpack(tile, panel, destination);
                Unpack(tile, panel + VectorBytes, destination + VectorBytes);
                panel += RowsBytes;
                destination += lanesOfBlock * RowsBytes;
            }
        }
    }

    private static int HeadBytes(TileForm tile) => tile.Head switch
    {
        PanelGroupHead.BFloat16Scales => RowsBytes / 2,
        PanelGroupHead.Float32Offsets => 2 * RowsBytes,
        _ => RowsBytes,
    };

    private static int LanesOf(TileForm tile) => tile.Product == DotProduct.Bytes ? PanelFormat.GroupColumns / 4 : PanelFormat.GroupColumns / 2;

    // A block of a half of the rows to its lanes, in the order in which tiles take them.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Unpack(TileForm tile, byte* block, byte* destination)
    {
        Vector512<byte> weights = Vector512.Load(block);
        if (tile.Product == DotProduct.Words)
        {
            int bits = tile.Weights == PanelWeights.Int8 ? 8 : 4;
            for (int left = 16 - bits; left >= 0; left -= bits, destination += RowsBytes)
            {
                Vector512.ShiftRightArithmetic(Vector512.ShiftLeft(weights.AsInt16(), left), 16 - bits).Store((short*)destination);
            }
        }
        else if (tile.Weights == PanelWeights.Int8)
        {
            (weights ^ Vector512.Create(SignOfByte)).Store(destination);
        }
        else
        {
            weights ^= Vector512.Create(SignsOfHalves);
            (weights & Vector512.Create(LowHalf)).Store(destination);
            ((weights.AsUInt16() >>> 4).AsByte() & Vector512.Create(LowHalf)).Store(destination + RowsBytes);
        }
    }
}
