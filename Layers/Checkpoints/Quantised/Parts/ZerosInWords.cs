using System.Runtime.InteropServices;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>
/// Zero points in words that a row finds by itself: compressed-tensors' <c>[rows / n, groups]</c> and AWQ gemv's <c>[rows, groups / n]</c>.
/// </summary>
/// <param name="piece">The stored tensor.</param>
/// <param name="offset">Where the zero points begin in a row, a byte each.</param>
/// <param name="groups">Groups of a row.</param>
/// <param name="bits">Bits of a zero point, of which a word has n = 32 / bits.</param>
/// <param name="downRows">Whether a word has neighbouring rows of a group, and not neighbouring groups of a row.</param>
internal sealed class ZerosInWords(TensorPiece piece, int offset, int groups, int bits, bool downRows) : RowPart
{
    /// <inheritdoc/>
    public override void Read(long firstRow, int count, Span<byte> rows, int rowBytes)
    {
        int perWord = 32 / bits;
        uint mask = (1u << bits) - 1;
        int width = (int)piece.Shape[1];
        long firstStored = downRows ? firstRow / perWord : firstRow;
        long lastStored = downRows ? (firstRow + count - 1) / perWord : firstRow + count - 1;
        uint[] words = new uint[checked((lastStored - firstStored + 1) * width)];
        piece.Read(firstStored * width * sizeof(uint), MemoryMarshal.AsBytes(words.AsSpan()));
        for (int i = 0; i < count; i++)
        {
            long row = firstRow + i;
            ReadOnlySpan<uint> stored = words.AsSpan((int)(((downRows ? row / perWord : row) - firstStored) * width), width);
            Span<byte> zeros = rows.Slice((i * rowBytes) + offset, groups);
            for (int group = 0; group < groups; group++)
            {
                uint word = stored[downRows ? group : group / perWord];
                int index = downRows ? (int)(row % perWord) : group % perWord;
                zeros[group] = (byte)((word >> (index * bits)) & mask);
            }
        }
    }
}
