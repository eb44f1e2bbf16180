using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>The kernel of an element and a vector.</summary>
internal sealed unsafe class PanelKernel<TElement, TSimd, TVector>(WeightEncoding encoding)
    : PanelKernel(encoding, 2 * TSimd.Count, TSimd.TileTokens)
    where TElement : struct, IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private readonly PanelKernel? _widened =
        encoding == WeightEncodings.Float32 ? null : new PanelKernel<Float32Element<TSimd, TVector>, TSimd, TVector>(WeightEncodings.Float32);

    private const int PairsOfGroup = PanelFormat.GroupColumns / 2;
    private const int LineBytes = 64;

    public override PanelKernel Widened => _widened ?? this;

    public override int GroupBytes => TElement.ScaleBytes + (PairsOfGroup * TElement.PairBytes);

    public override long PanelBytes(int columns) => (long)PanelFormat.Groups(columns) * GroupBytes;

    public override void Pack(ReadOnlySpan<byte> rows, int columns, byte* panel)
    {
        int rowBytes = checked((int)Encoding.RowBytes(columns));
        int count = rows.Length / rowBytes;
        for (int column = 0; column < columns; column += PanelFormat.GroupColumns, panel += GroupBytes)
        {
            new Span<byte>(panel, GroupBytes).Clear();
            int width = Math.Min(PanelFormat.GroupColumns, columns - column);
            for (int lane = 0; lane < count; lane++)
            {
                TElement.Pack(rows.Slice(lane * rowBytes, rowBytes), column, width, panel, lane);
            }
        }
    }

    public override void Multiply(
        byte* weights, int columnGroups, TokenPanels tokens, long firstColumn, int firstTile, int endTile, float* sums, bool accumulate,
        byte* next, int nextBytes)
    {
        TokenTiles tiles = tokens.Tiles;

        // What comes next is asked for in equal shares while the tiles of tokens pass.
        int steps = columnGroups * PairsOfGroup;
        int lines = tiles.Tokens > UnaidedTokens ? LinesOfStep(nextBytes, steps * (endTile - firstTile)) : 0;
        byte* end = next + nextBytes;
        for (int tile = firstTile; tile < endTile; tile++)
        {
            float* target = sums + ((tiles.FirstToken(tile) - tiles.FirstToken(firstTile)) * Rows);
            Multiply(
                tiles.Size(tile), columnGroups, weights, tokens.At(tile, firstColumn), next, next < end ? lines : 0, target, accumulate);
            next += steps * lines * LineBytes;
        }
    }

    public override void Unpack(byte* panel, int columns, int firstGroup, int groups, float* destination, long stride)
    {
        panel += (long)firstGroup * GroupBytes;
        for (int group = 0; group < groups; group++)
        {
            TElement.Scales(panel, out TVector scale0, out TVector scale1);
            panel += TElement.ScaleBytes;
            for (int pair = 0; pair < PairsOfGroup; pair++)
            {
                TElement.Even(panel, scale0, scale1, out TVector w0, out TVector w1);
                TSimd.Store(w0, destination);
                TSimd.Store(w1, destination + TSimd.Count);
                TElement.Odd(panel, scale0, scale1, out w0, out w1);
                TSimd.Store(w0, destination + stride);
                TSimd.Store(w1, destination + stride + TSimd.Count);
                panel += TElement.PairBytes;
                destination += 2 * stride;
            }
        }
    }

    // One, two or four, as the tiles know them.
    private static int LinesOfStep(int bytes, int steps)
    {
        int lines = (bytes + (steps * LineBytes) - 1) / (steps * LineBytes);
        return lines > 2 ? 4 : lines;
    }

    private static void Multiply(
        int size, int count, byte* panel, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        switch (size)
        {
            case 1:
                PanelTiles<TElement, TSimd, TVector>.One(count, panel, tokens, next, lines, tile, accumulate);
                break;
            case 2:
                PanelTiles<TElement, TSimd, TVector>.Two(count, panel, tokens, next, lines, tile, accumulate);
                break;
            case 4:
                PanelTiles<TElement, TSimd, TVector>.Four(count, panel, tokens, next, lines, tile, accumulate);
                break;
            case 6:
                PanelTiles<TElement, TSimd, TVector>.Six(count, panel, tokens, next, lines, tile, accumulate);
                break;
            case 8:
                PanelTiles<TElement, TSimd, TVector>.Eight(count, panel, tokens, next, lines, tile, accumulate);
                break;
            default:
                PanelTiles<TElement, TSimd, TVector>.Twelve(count, panel, tokens, next, lines, tile, accumulate);
                break;
        }
    }
}
