using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>The kernel of weights that are floats.</summary>
/// <param name="encoding">How weights are stored.</param>
internal sealed unsafe class FloatPanelKernel<TElement, TSimd, TVector>(WeightEncoding encoding)
    : TiledPanelKernel<TElement, TSimd, TVector>(encoding)
    where TElement : struct, IFloatElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private static int GroupBytes => PairsOfGroup * TElement.PairBytes;

    public override bool PairsPanels => true;

    public override long BytesOf(int columnGroups) => (long)columnGroups * GroupBytes;

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

    public override void MultiplyPair(
        byte* weights, byte* other, int columnGroups, float* token, float* sums, float* otherSums, bool accumulate, byte* next, int nextBytes) =>
        PanelTiles<TElement, TSimd, TVector>.OneByTwo(
            new PanelColumns(weights, columnGroups), other, token, next, AsksForFewTokens ? LinesOfStep(nextBytes, columnGroups * StepsOfGroup) : 0,
            sums, otherSums, accumulate);

    public override void Unpack(byte* panel, int columns, int firstGroup, int groups, float* destination, long stride) =>
        UnpackPairs(new PanelColumns(panel + BytesOf(firstGroup), groups), destination, stride);
}
