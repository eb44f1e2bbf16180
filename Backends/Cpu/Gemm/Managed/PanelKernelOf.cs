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

    public override PanelKernel Widened => _widened ?? this;

    public override int GroupBytes => TElement.ScaleBytes + (PairsOfGroup * TElement.PairBytes);

    protected override int StepsOfGroup => PairsOfGroup;

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
    protected override int LinesOfStep(int bytes, int steps)
    {
        int lines = base.LinesOfStep(bytes, steps);
        return lines > 2 ? 4 : lines;
    }

    protected override void MultiplyTile(
        int size, int columnGroups, byte* panel, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        switch (size)
        {
            case 1:
                PanelTiles<TElement, TSimd, TVector>.One(columnGroups, panel, tokens, next, lines, tile, accumulate);
                break;
            case 2:
                PanelTiles<TElement, TSimd, TVector>.Two(columnGroups, panel, tokens, next, lines, tile, accumulate);
                break;
            case 4:
                PanelTiles<TElement, TSimd, TVector>.Four(columnGroups, panel, tokens, next, lines, tile, accumulate);
                break;
            case 6:
                PanelTiles<TElement, TSimd, TVector>.Six(columnGroups, panel, tokens, next, lines, tile, accumulate);
                break;
            case 8:
                PanelTiles<TElement, TSimd, TVector>.Eight(columnGroups, panel, tokens, next, lines, tile, accumulate);
                break;
            default:
                PanelTiles<TElement, TSimd, TVector>.Twelve(columnGroups, panel, tokens, next, lines, tile, accumulate);
                break;
        }
    }
}
