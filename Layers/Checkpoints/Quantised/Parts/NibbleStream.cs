namespace NativeFfn.Checkpoints.Quantised;

/// <summary>Codes of bitsandbytes: a matrix's 4-bit codes one after the other, the high nibble first, whatever its rows.</summary>
/// <param name="piece">The stored tensor.</param>
/// <param name="offset">Where the codes begin in a row.</param>
/// <param name="columns">Columns of the matrix.</param>
internal sealed class NibbleStream(TensorPiece piece, int offset, int columns) : RowPart
{
    /// <inheritdoc/>
    public override void Read(long firstRow, int count, Span<byte> rows, int rowBytes)
    {
        long first = firstRow * columns;
        long firstByte = first / 2;
        byte[] stored = GC.AllocateUninitializedArray<byte>(checked((int)(((first + ((long)count * columns) + 1) / 2) - firstByte)));
        piece.Read(firstByte, stored);
        for (int i = 0; i < count; i++)
        {
            Span<byte> codes = rows.Slice((i * rowBytes) + offset, (columns + 1) / 2);
            int nibble = (int)(first + ((long)i * columns) - (firstByte * 2));
            ReadOnlySpan<byte> from = stored.AsSpan(nibble / 2);
            if (nibble % 2 == 0)
            {
                for (int j = 0; j < codes.Length; j++)
                {
                    codes[j] = (byte)((from[j] >> 4) | (from[j] << 4));
                }
            }
            else
            {
                // The row begins with a low nibble: each of its bytes is the low one and the next byte's high one.
                for (int j = 0; j < codes.Length; j++)
                {
                    int next = j + 1 < from.Length ? from[j + 1] >> 4 : 0;
                    codes[j] = (byte)((from[j] & 0xF) | (next << 4));
                }
            }
        }
    }
}
