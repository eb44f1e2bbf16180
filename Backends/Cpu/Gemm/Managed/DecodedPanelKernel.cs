using System.Runtime.CompilerServices;
using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>The panels of an encoding that has no kernel of its own, or none that could take rows as others want them: rows as they are stored, a block of columns decoded in cache at a time.</summary>
/// <param name="encoding">The encoding.</param>
/// <param name="widened">Multiplies what was decoded.</param>
internal sealed unsafe class DecodedPanelKernel(WeightEncoding encoding, PanelKernel widened)
    : PanelKernel(encoding, widened.Rows, widened.MostTokens)
{
    public override bool IsDecoded => true;

    public override int[]? ColumnOrder => null;

    public override int TilesWorthWidening => 1;

    public override PanelKernel Widened => widened;

    protected override int StepsOfGroup => 1;

    public override long BytesOf(int columnGroups) => 0;

    public override long PanelBytes(int columns) => checked(Rows * Encoding.RowBytes(columns));

    public override void Pack(ReadOnlySpan<byte> rows, int columns, byte* panel)
    {
        var stored = new Span<byte>(panel, checked((int)PanelBytes(columns)));
        rows.CopyTo(stored);
        stored[rows.Length..].Clear();
    }

    [SkipLocalsInit]
    public override void Unpack(byte* panel, int columns, int firstGroup, int groups, float* destination, long stride)
    {
        // 64 KiB at most: a block of a panel as float32 rows, and the same interleaved.
        float* rows = stackalloc float[Rows * BlockColumns / 2];
        long rowBytes = Encoding.RowBytes(columns);
        int pieceGroups = BlockGroups / 2;
        int pieceColumns = pieceGroups * PanelFormat.GroupColumns;
        for (int group = 0; group < groups; group += pieceGroups)
        {
            int first = (firstGroup + group) * PanelFormat.GroupColumns;
            int count = Math.Min(pieceGroups, groups - group) * PanelFormat.GroupColumns;
            int known = Math.Clamp(columns - first, 0, count);
            for (int row = 0; row < Rows; row++)
            {
                var decoded = new Span<float>(rows + (row * pieceColumns), count);
                Encoding.Decode(new ReadOnlySpan<byte>(panel + (row * rowBytes), (int)rowBytes), first, decoded[..known]);
                decoded[known..].Clear();
            }

            Interleaving.Interleave(new RowSelection(rows, pieceColumns), Rows, count, destination + ((long)group * PanelFormat.GroupColumns * stride), checked((int)stride), Rows);
        }
    }

    protected override void MultiplyTile(
        int size, int count, in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate) =>
        throw new NotSupportedException($"Panels of {Encoding} are decoded before they are multiplied.");
}
