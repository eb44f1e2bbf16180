using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>The kernel of integers and a vector.</summary>
internal sealed unsafe class IntegerPanelKernel<TElement, TSimd, TVector>(WeightEncoding encoding)
    : PanelKernel(encoding, 2 * TSimd.Count, TSimd.TileTokens)
    where TElement : struct, IIntegerElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    private static int Blocks => PanelFormat.GroupColumns / TElement.BlockColumns;

    private static int VectorBytes => TSimd.Count * sizeof(float);

    public override TokenForm Form => TElement.Form;

    public override PanelKernel Widened => this;

    public override int GroupBytes => TElement.ScaleBytes + (Blocks * 2 * VectorBytes);

    public override long PanelBytes(int columns) => (long)PanelFormat.Groups(columns) * GroupBytes;

    public override void Pack(ReadOnlySpan<byte> rows, int columns, byte* panel)
    {
        int rowBytes = checked((int)Encoding.RowBytes(columns));
        int count = rows.Length / rowBytes;
        for (int group = 0; group < PanelFormat.Groups(columns); group++, panel += GroupBytes)
        {
            new Span<byte>(panel, GroupBytes).Clear();
            for (int lane = 0; lane < count; lane++)
            {
                TElement.Pack(rows.Slice((lane * rowBytes) + (group * Encoding.BlockBytes), Encoding.BlockBytes), panel, lane);
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
            TElement.Scales(panel, out TVector scale0, out TVector scale1);
            for (int column = 0; column < PanelFormat.GroupColumns; column++, destination += stride)
            {
                byte* block = panel + TElement.ScaleBytes + (column / TElement.BlockColumns * 2 * VectorBytes);
                int inBlock = column % TElement.BlockColumns;
                TSimd.Store(TSimd.Multiply(TSimd.ToSingle(TElement.Column(block, inBlock)), scale0), destination);
                TSimd.Store(TSimd.Multiply(TSimd.ToSingle(TElement.Column(block + VectorBytes, inBlock)), scale1), destination + TSimd.Count);
            }
        }
    }

    private static void Multiply(int size, int count, byte* panel, float* tokens, byte* next, int lines, float* tile)
    {
        switch (size)
        {
            case 1:
                IntegerTiles<TElement, TSimd, TVector>.One(count, panel, tokens, size, next, lines, tile);
                break;
            case 2:
                IntegerTiles<TElement, TSimd, TVector>.Two(count, panel, tokens, size, next, lines, tile);
                break;
            case 4:
                IntegerTiles<TElement, TSimd, TVector>.Four(count, panel, tokens, size, next, lines, tile);
                break;
            case 6:
                IntegerTiles<TElement, TSimd, TVector>.Six(count, panel, tokens, size, next, lines, tile);
                break;
            case 8:
                IntegerTiles<TElement, TSimd, TVector>.Four(count, panel, tokens, size, next, lines, tile);
                IntegerTiles<TElement, TSimd, TVector>.Four(count, panel, tokens + 4, size, next, 0, tile + (8 * TSimd.Count));
                break;
            default:
                IntegerTiles<TElement, TSimd, TVector>.Six(count, panel, tokens, size, next, lines, tile);
                IntegerTiles<TElement, TSimd, TVector>.Six(count, panel, tokens + 6, size, next, 0, tile + (12 * TSimd.Count));
                break;
        }
    }
}
