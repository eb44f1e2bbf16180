using System.Runtime.CompilerServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>The kernel of integers and a vector.</summary>
internal sealed unsafe class IntegerPanelKernel<TElement, TScales, TSimd, TVector>(WeightEncoding encoding)
    : PanelKernel(encoding, 2 * TSimd.Count, TSimd.TileTokens)
    where TElement : struct, IIntegerElement<TSimd, TVector>
    where TScales : struct, IIntegerScales<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    private static int Blocks => PanelFormat.GroupColumns / TElement.BlockColumns;

    private static int VectorBytes => TSimd.Count * sizeof(float);

    public override TokenForm Form => TElement.Form;

    public override PanelKernel Widened => this;

    public override int GroupBytes => TScales.Bytes + (Blocks * 2 * VectorBytes);

    public override long PanelBytes(int columns) => (long)PanelFormat.Groups(columns) * GroupBytes;

    [SkipLocalsInit]
    public override void Pack(ReadOnlySpan<byte> rows, int columns, byte* panel)
    {
        Span<sbyte> integers = stackalloc sbyte[PanelFormat.GroupColumns];
        int rowBytes = checked((int)Encoding.RowBytes(columns));
        int count = rows.Length / rowBytes;
        for (int column = 0; column < columns; column += PanelFormat.GroupColumns, panel += GroupBytes)
        {
            new Span<byte>(panel, GroupBytes).Clear();
            int width = Math.Min(PanelFormat.GroupColumns, columns - column);
            for (int lane = 0; lane < count; lane++)
            {
                Encoding.ReadIntegers(rows.Slice(lane * rowBytes, rowBytes), column, integers[..width], out float scale, out float offset);
                integers[width..].Clear();
                TScales.Store(panel, lane, scale, offset);
                TElement.Pack(integers, panel + TScales.Bytes, lane);
            }
        }
    }

    public override void Multiply(
        byte* weights, int columnGroups, TokenPanels tokens, long firstColumn, int firstTile, int endTile, float* sums, bool accumulate,
        byte* next, int nextBytes)
    {
        TokenTiles tiles = tokens.Tiles;

        // What comes next is asked for in equal shares while the tiles of tokens pass.
        int steps = columnGroups * (endTile - firstTile);
        int lines = tiles.Tokens > UnaidedTokens ? (nextBytes + (steps * PanelFormat.LineBytes) - 1) / (steps * PanelFormat.LineBytes) : 0;
        byte* end = next + nextBytes;
        for (int tile = firstTile; tile < endTile; tile++)
        {
            float* target = sums + ((tiles.FirstToken(tile) - tiles.FirstToken(firstTile)) * Rows);
            if (!accumulate)
            {
                new Span<float>(target, tiles.Size(tile) * Rows).Clear();
            }

            Multiply(tiles.Size(tile), columnGroups, weights, tokens.At(tile, firstColumn), next, next < end ? lines : 0, target);
            next += columnGroups * lines * PanelFormat.LineBytes;
        }
    }

    public override void Unpack(byte* panel, int columns, int firstGroup, int groups, float* destination, long stride)
    {
        panel += (long)firstGroup * GroupBytes;
        for (int group = 0; group < groups; group++, panel += GroupBytes)
        {
            TScales.Load(panel, out TVector scale0, out TVector scale1);
            TScales.LoadOffsets(panel, out TVector offset0, out TVector offset1);
            for (int column = 0; column < PanelFormat.GroupColumns; column++, destination += stride)
            {
                byte* block = panel + TScales.Bytes + (column / TElement.BlockColumns * 2 * VectorBytes);
                int inBlock = column % TElement.BlockColumns;
                TVector first = TSimd.ToSingle(TElement.Column(block, inBlock)), second = TSimd.ToSingle(TElement.Column(block + VectorBytes, inBlock));
                TSimd.Store(TSimd.MultiplyAdd(first, scale0, offset0), destination);
                TSimd.Store(TSimd.MultiplyAdd(second, scale1, offset1), destination + TSimd.Count);
            }
        }
    }

    private static void Multiply(int size, int count, byte* panel, float* tokens, byte* next, int lines, float* tile)
    {
        switch (size)
        {
            case 1:
                IntegerTiles<TElement, TScales, TSimd, TVector>.One(count, panel, tokens, size, next, lines, tile);
                break;
            case 2:
                IntegerTiles<TElement, TScales, TSimd, TVector>.Two(count, panel, tokens, size, next, lines, tile);
                break;
            case 4:
                IntegerTiles<TElement, TScales, TSimd, TVector>.Four(count, panel, tokens, size, next, lines, tile);
                break;
            case 6:
                IntegerTiles<TElement, TScales, TSimd, TVector>.Six(count, panel, tokens, size, next, lines, tile);
                break;
            case 8:
                IntegerTiles<TElement, TScales, TSimd, TVector>.Four(count, panel, tokens, size, next, lines, tile);
                IntegerTiles<TElement, TScales, TSimd, TVector>.Four(count, panel, tokens + 4, size, next, 0, tile + (8 * TSimd.Count));
                break;
            default:
                IntegerTiles<TElement, TScales, TSimd, TVector>.Six(count, panel, tokens, size, next, lines, tile);
                IntegerTiles<TElement, TScales, TSimd, TVector>.Six(count, panel, tokens + 6, size, next, 0, tile + (12 * TSimd.Count));
                break;
        }
    }
}
