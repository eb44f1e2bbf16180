using System.Runtime.InteropServices;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>
/// Scales of bitsandbytes, float32: one for each block of a matrix's weights, whatever its rows, so that a row also has the place in its
/// first block where it begins.
/// </summary>
/// <param name="offset">Where the scales begin in a row; a phase of 2 bytes lies before them where rows begin inside blocks.</param>
/// <param name="columns">Columns of the matrix.</param>
/// <param name="block">Weights of a block.</param>
/// <param name="groups">Blocks that a row may touch.</param>
/// <param name="blocks">Blocks in all.</param>
/// <param name="read">Reads the scales of blocks, from one of them on.</param>
internal sealed class BlockScales(int offset, int columns, int block, int groups, long blocks, Action<long, Span<float>> read) : RowPart
{
    /// <inheritdoc/>
    public override void Read(long firstRow, int count, Span<byte> rows, int rowBytes)
    {
        long firstBlock = firstRow * columns / block;
        long end = Math.Min(blocks, ((firstRow + count - 1) * columns / block) + groups);
        float[] scales = new float[checked((int)(end - firstBlock))];
        read(firstBlock, scales);
        for (int i = 0; i < count; i++)
        {
            (long rowBlock, long phase) = Math.DivRem((firstRow + i) * columns, block);
            Span<byte> row = rows[(i * rowBytes)..];
            if (offset > 0)
            {
                MemoryMarshal.Write(row, (ushort)phase);
            }

            ReadOnlySpan<float> own = scales.AsSpan((int)(rowBlock - firstBlock));
            MemoryMarshal.AsBytes(own[..Math.Min(groups, own.Length)]).CopyTo(row[offset..]);
        }
    }
}
