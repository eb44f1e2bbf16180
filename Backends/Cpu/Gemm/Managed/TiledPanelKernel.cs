using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>A kernel of an element and a vector.</summary>
/// <param name="encoding">How weights are stored.</param>
internal abstract unsafe class TiledPanelKernel<TElement, TSimd, TVector>(WeightEncoding encoding)
    : PanelKernel(encoding, 2 * TSimd.Count, TSimd.TileTokens)
    where TElement : struct, IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Pairs of a group of columns.</summary>
    protected const int PairsOfGroup = PanelFormat.GroupColumns / 2;

    private readonly PanelKernel? _widened =
        encoding == WeightEncodings.Float32 ? null : new FloatPanelKernel<Float32Element<TSimd, TVector>, TSimd, TVector>(WeightEncodings.Float32);

    public override PanelKernel Widened => _widened ?? this;

    protected override int StepsOfGroup => PairsOfGroup;

    /// <summary>Stores columns as float32: destination[column · stride + row].</summary>
    protected static void UnpackPairs(in PanelColumns columns, float* destination, long stride)
    {
        byte* panel = columns.Weights;
        float* scales = columns.Scales;
        for (int unit = 0; unit < columns.Units; unit++)
        {
            PanelTiles<TElement, TSimd, TVector>.ReadScales(
                ref scales, out TVector scale0, out TVector scale1, out TVector offset0, out TVector offset1);
            for (int pair = 0; pair < columns.PairsOfUnit; pair++)
            {
                PanelTiles<TElement, TSimd, TVector>.Even(panel, columns.Book, scale0, scale1, offset0, offset1, out TVector w0, out TVector w1);
                TSimd.Store(w0, destination);
                TSimd.Store(w1, destination + TSimd.Count);
                PanelTiles<TElement, TSimd, TVector>.Odd(panel, columns.Book, scale0, scale1, offset0, offset1, out w0, out w1);
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
        int size, int count, in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        switch (size)
        {
            case 1:
                PanelTiles<TElement, TSimd, TVector>.One(columns, tokens, next, lines, tile, accumulate);
                break;
            case 2:
                PanelTiles<TElement, TSimd, TVector>.Two(columns, tokens, next, lines, tile, accumulate);
                break;
            case 4:
                PanelTiles<TElement, TSimd, TVector>.Four(columns, tokens, next, lines, tile, accumulate);
                break;
            case 6:
                PanelTiles<TElement, TSimd, TVector>.Six(columns, tokens, next, lines, tile, accumulate);
                break;
            case 8:
                PanelTiles<TElement, TSimd, TVector>.Eight(columns, tokens, next, lines, tile, accumulate);
                break;
            default:
                PanelTiles<TElement, TSimd, TVector>.Twelve(columns, tokens, next, lines, tile, accumulate);
                break;
        }
    }
}
