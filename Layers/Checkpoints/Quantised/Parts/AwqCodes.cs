using System.Runtime.InteropServices;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>Codes of AWQ: words <c>[columns, rows / 8]</c> whose nibbles are eight rows of one column.</summary>
/// <param name="piece">The stored tensor.</param>
/// <param name="offset">Where the codes begin in a row.</param>
/// <param name="columns">Columns of the matrix.</param>
/// <param name="matrixRows">Rows of the matrix, a multiple of 8.</param>
internal sealed class AwqCodes(TensorPiece piece, int offset, int columns, int matrixRows) : RowPart
{
    /// <inheritdoc/>
    public override bool IsAcross => true;

    /// <inheritdoc/>
    public override void Read(long firstRow, int count, Span<byte> rows, int rowBytes)
    {
        int words = count / AwqOrder.Word;
        uint[] tile = new uint[AwqOrder.Word * words];
        Span<uint> block = stackalloc uint[AwqOrder.Word];
        for (int column = 0; column < columns; column += AwqOrder.Word)
        {
            int height = Math.Min(AwqOrder.Word, columns - column);
            RowSlices.Read(
                piece, column, height, matrixRows / AwqOrder.Word * sizeof(uint), firstRow / AwqOrder.Word * sizeof(uint),
                MemoryMarshal.AsBytes(tile.AsSpan(0, height * words)));
            for (int word = 0; word < words; word++)
            {
                block.Clear();
                for (int i = 0; i < height; i++)
                {
                    block[i] = tile[(i * words) + word];
                }

                Transpose(block);
                for (int i = 0; i < AwqOrder.Word; i++)
                {
                    int row = (word * AwqOrder.Word) + i;
                    MemoryMarshal.Write(rows[((row * rowBytes) + offset + (column / 2))..], block[AwqOrder.Nibble[i]]);
                }
            }
        }
    }

    // Nibble j of word i and nibble i of word j change places: halves of four words, then of two, then of one.
    private static void Transpose(Span<uint> words)
    {
        Swap(words, 4, 16, 0x0000_FFFF);
        Swap(words, 2, 8, 0x00FF_00FF);
        Swap(words, 1, 4, 0x0F0F_0F0F);
    }

    private static void Swap(Span<uint> words, int distance, int shift, uint mask)
    {
        for (int i = 0; i < words.Length; i++)
        {
            if ((i & distance) == 0)
            {
                uint changed = ((words[i] >> shift) ^ words[i + distance]) & mask;
                words[i] ^= changed << shift;
                words[i + distance] ^= changed;
            }
        }
    }
}
