namespace NativeFfn.Checkpoints.Quantised;

/// <summary>Codes of BitNet: bytes <c>[rows / 4, columns]</c> whose bits 2j and 2j + 1 are a row of quarter j of the matrix.</summary>
/// <param name="piece">The stored tensor.</param>
/// <param name="offset">Where the codes begin in a row.</param>
/// <param name="columns">Columns of the matrix.</param>
/// <param name="storedRows">A quarter of the matrix's rows.</param>
internal sealed class BitNetCodes(TensorPiece piece, int offset, int columns, long storedRows) : RowPart
{
    /// <inheritdoc/>
    public override void Read(long firstRow, int count, Span<byte> rows, int rowBytes)
    {
        byte[] stored = new byte[columns];
        for (int i = 0; i < count; i++)
        {
            (long quarter, long row) = Math.DivRem(firstRow + i, storedRows);
            piece.Read(row * columns, stored);
            Span<byte> codes = rows[((i * rowBytes) + offset)..];
            for (int j = 0; j < columns; j++)
            {
                codes[j / 4] |= (byte)(((stored[j] >> (int)(2 * quarter)) & 3) << (2 * (j % 4)));
            }
        }
    }
}
