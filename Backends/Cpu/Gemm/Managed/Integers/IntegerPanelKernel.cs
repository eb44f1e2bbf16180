using System.Runtime.CompilerServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>The kernel of integers and a vector.</summary>
/// <param name="encoding">How weights are stored.</param>
/// <param name="form">How it wants tokens, as its element multiplies them.</param>
internal sealed unsafe class IntegerPanelKernel<TElement, TScales, TSimd, TVector>(WeightEncoding encoding, TokenForm form)
    : PanelKernel(encoding, 2 * TSimd.Count, TSimd.TileTokens)
    where TElement : struct, IIntegerElement<TSimd, TVector>
    where TScales : struct, IIntegerScales<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    private static int PartColumns => PanelFormat.GroupColumns / TScales.Parts;

    private static int VectorBytes => TSimd.Count * sizeof(float);

    public override TokenForm Form => form;

    public override PanelKernel Widened => this;

    public override long BytesOf(int columnGroups) => (long)columnGroups * TScales.Parts * PartBytes;

    private static int PartBytes => TScales.Bytes + (PartColumns / TElement.BlockColumns * 2 * VectorBytes);

    // What comes next is asked for once a part.
    protected override int StepsOfGroup => TScales.Parts;

    [SkipLocalsInit]
    public override void Pack(ReadOnlySpan<byte> rows, int columns, byte* panel)
    {
        Span<sbyte> integers = stackalloc sbyte[PartColumns];
        new Span<byte>(panel, checked((int)PanelBytes(columns))).Clear();
        int rowBytes = checked((int)Encoding.RowBytes(columns));
        int count = rows.Length / rowBytes;
        for (int column = 0; column < columns; column += PartColumns, panel += PartBytes)
        {
            int width = Math.Min(PartColumns, columns - column);
            for (int lane = 0; lane < count; lane++)
            {
                Encoding.ReadIntegers(rows.Slice(lane * rowBytes, rowBytes), column, integers[..width], out float scale, out float offset);
                integers[width..].Clear();
                TScales.Store(panel, lane, scale, offset);
                TElement.Pack(integers, panel + TScales.Bytes, lane);
            }
        }
    }

    public override void Unpack(byte* panel, int columns, int firstGroup, int groups, float* destination, long stride)
    {
        panel += BytesOf(firstGroup);
        for (int part = 0; part < groups * TScales.Parts; part++, panel += PartBytes)
        {
            TScales.Load(panel, out TVector scale0, out TVector scale1);
            TScales.LoadOffsets(panel, out TVector offset0, out TVector offset1);
            for (int column = 0; column < PartColumns; column++, destination += stride)
            {
                byte* block = panel + TScales.Bytes + (column / TElement.BlockColumns * 2 * VectorBytes);
                int inBlock = column % TElement.BlockColumns;
                TVector first = TSimd.ToSingle(TElement.Column(block, inBlock)), second = TSimd.ToSingle(TElement.Column(block + VectorBytes, inBlock));
                TSimd.Store(TSimd.MultiplyAdd(first, scale0, offset0), destination);
                TSimd.Store(TSimd.MultiplyAdd(second, scale1, offset1), destination + TSimd.Count);
            }
        }
    }

    protected override void MultiplyTile(
        int size, int count, in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        if (!accumulate)
        {
            new Span<float>(tile, size * Rows).Clear();
        }

        // Halves of a tile ask for half of what comes next each, at a rate that memory can follow.
        int half = (lines + 1) / 2;
        byte* rest = next + ((long)columns.Groups * StepsOfGroup * half * PanelFormat.LineBytes);
        switch (size)
        {
            case 1:
                IntegerTiles<TElement, TScales, TSimd, TVector>.One(columns.Groups, columns.Weights, tokens, size, next, lines, tile);
                break;
            case 2:
                IntegerTiles<TElement, TScales, TSimd, TVector>.Two(columns.Groups, columns.Weights, tokens, size, next, lines, tile);
                break;
            case 4:
                IntegerTiles<TElement, TScales, TSimd, TVector>.Four(columns.Groups, columns.Weights, tokens, size, next, lines, tile);
                break;
            case 6:
                IntegerTiles<TElement, TScales, TSimd, TVector>.Six(columns.Groups, columns.Weights, tokens, size, next, lines, tile);
                break;
            case 8:
                IntegerTiles<TElement, TScales, TSimd, TVector>.Four(columns.Groups, columns.Weights, tokens, size, next, half, tile);
                IntegerTiles<TElement, TScales, TSimd, TVector>.Four(columns.Groups, columns.Weights, tokens + 4, size, rest, lines - half, tile + (8 * TSimd.Count));
                break;
            default:
                IntegerTiles<TElement, TScales, TSimd, TVector>.Six(columns.Groups, columns.Weights, tokens, size, next, half, tile);
                IntegerTiles<TElement, TScales, TSimd, TVector>.Six(columns.Groups, columns.Weights, tokens + 6, size, rest, lines - half, tile + (12 * TSimd.Count));
                break;
        }
    }
}
