using System.Runtime.CompilerServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Codes;

/// <summary>The kernel of codes with scales, which become the float32 weights of their encoding in registers.</summary>
/// <param name="encoding">How weights are stored.</param>
/// <param name="form">What its codes mean.</param>
internal sealed unsafe class CodedPanelKernel<TElement, TSimd, TVector>(WeightEncoding encoding, CodeForm form)
    : TiledPanelKernel<TElement, TSimd, TVector>(encoding)
    where TElement : struct, ICodeElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    // Units of 16 columns, the narrowest.
    private const int MostUnits = 2 * BlockGroups;
    private const int BookEntries = 16;

    // Of the numbers of a book and all scales and offsets of a block, from a cache line's begin on.
    private static int RoomFloats =>
        (PanelFormat.LineBytes / sizeof(float)) + BookEntries + (MostUnits * PanelScales<TSimd, TVector>.UnitFloats);

    private readonly PanelScales<TSimd, TVector> _scales = new(form);

    // Codes that are integers may be looked up as well.
    private readonly float[] _book = form.Book.Table ?? [.. Enumerable.Range(0, BookEntries).Select(static code => (float)code)];

    // Codes take more to unpack than 16-bit floats.
    public override int TilesWorthWidening => 2;

    public override long BytesOf(int columnGroups)
    {
        (int blocks, int rest) = Math.DivRem(columnGroups, BlockGroups);
        return ((long)blocks * BlockBytes(BlockGroups)) + BlockBytes(rest);
    }

    // While codes are unpacked the processor does not look far enough ahead.
    protected override bool AsksForFewTokens => true;

    [SkipLocalsInit]
    public override void Pack(ReadOnlySpan<byte> rows, int columns, byte* panel)
    {
        Span<byte> codes = stackalloc byte[CodeForm.MostColumns];
        int rowBytes = checked((int)Encoding.RowBytes(columns));
        int count = rows.Length / rowBytes;
        for (int column = 0; column < columns; column += BlockColumns)
        {
            int width = Math.Min(BlockColumns, columns - column);
            int groups = PanelFormat.Groups(width);
            new Span<byte>(panel, BlockBytes(groups)).Clear();
            byte* pairs = panel + _scales.Bytes(groups);
            for (int lane = 0; lane < count; lane++)
            {
                ReadOnlySpan<byte> row = rows.Slice(lane * rowBytes, rowBytes);
                for (int first = 0; first < width; first += form.UnitColumns)
                {
                    Span<byte> unit = codes[..Math.Min(form.UnitColumns, width - first)];
                    CodeScale scale = Encoding.ReadCodes(row, column + first, unit);
                    _scales.Store(panel, groups, first / form.UnitColumns, lane, scale);
                    TElement.Pack(unit, pairs + (first / 2 * TElement.PairBytes), lane);
                }
            }

            panel += BlockBytes(groups);
        }
    }

    [SkipLocalsInit]
    public override void Unpack(byte* panel, int columns, int firstGroup, int groups, float* destination, long stride)
    {
        float* room = stackalloc float[RoomFloats];
        int all = PanelFormat.Groups(columns);
        for (int group = firstGroup; group < firstGroup + groups;)
        {
            // A block may be asked for in parts.
            int block = group / BlockGroups * BlockGroups;
            int inBlock = Math.Min(BlockGroups, all - block);
            int end = Math.Min(block + inBlock, firstGroup + groups);
            PanelColumns read = Expand(panel + BytesOf(block), inBlock, room);
            UnpackPairs(Part(read, group - block, end - group), destination, stride);
            destination += (long)(end - group) * PanelFormat.GroupColumns * stride;
            group = end;
        }
    }

    [SkipLocalsInit]
    public override void Multiply(
        byte* weights, int columnGroups, TokenPanels tokens, long firstColumn, int firstTile, int endTile, float* sums, bool accumulate,
        byte* next, int nextBytes)
    {
        float* room = stackalloc float[RoomFloats];
        MultiplyTiles(Expand(weights, columnGroups, room), tokens, firstColumn, firstTile, endTile, sums, accumulate, next, nextBytes);
    }

    private int BlockBytes(int groups) => groups == 0 ? 0 : _scales.Bytes(groups) + (groups * PairsOfGroup * TElement.PairBytes);

    private PanelColumns Expand(byte* block, int groups, float* room)
    {
        // Vectors that lie across two lines take twice the time.
        room = (float*)(((nint)room + PanelFormat.LineBytes - 1) & -PanelFormat.LineBytes);
        _book.CopyTo(new Span<float>(room, BookEntries));
        _scales.Expand(block, groups, room + BookEntries);
        return new PanelColumns(block + _scales.Bytes(groups), groups)
        {
            Book = room,
            Scales = room + BookEntries,
            PairsOfUnit = form.UnitColumns / 2,
        };
    }

    private PanelColumns Part(PanelColumns block, int firstGroup, int groups) =>
        new(block.Weights + ((long)firstGroup * PairsOfGroup * TElement.PairBytes), groups)
        {
            Book = block.Book,
            Scales = block.Scales + (firstGroup * _scales.UnitsOfGroup * PanelScales<TSimd, TVector>.UnitFloats),
            PairsOfUnit = block.PairsOfUnit,
        };
}
