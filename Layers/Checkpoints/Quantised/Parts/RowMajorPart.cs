using System.Buffers;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>A part that is stored row by row: codes, or scales, of which neighbouring rows may share one.</summary>
/// <param name="piece">The stored tensor.</param>
/// <param name="offset">Where the part begins in a row.</param>
/// <param name="bytes">Bytes of the part.</param>
/// <param name="storedBytes">Bytes of a stored row, which may be longer.</param>
internal sealed class RowMajorPart(TensorPiece piece, int offset, int bytes, int storedBytes) : RowPart
{
    /// <summary>Rows of a matrix; the rows of each matrix of a stack begin a stored row of their own.</summary>
    public long MatrixRows { get; init; } = 1;

    /// <summary>Neighbouring rows of a matrix that share a stored row.</summary>
    public long SharedBy { get; init; } = 1;

    /// <summary>Added to every byte, modulo 256: turns signed numbers into codes from 0.</summary>
    public byte Added { get; init; }

    /// <inheritdoc/>
    public override void Read(long firstRow, int count, Span<byte> rows, int rowBytes)
    {
        long first = StoredRow(firstRow);
        int stored = (int)(StoredRow(firstRow + count - 1) - first + 1);
        byte[] staging = ArrayPool<byte>.Shared.Rent(checked(stored * storedBytes));
        try
        {
            piece.Read(first * storedBytes, staging.AsSpan(0, stored * storedBytes));
            for (int i = 0; i < count; i++)
            {
                Span<byte> target = rows.Slice((i * rowBytes) + offset, bytes);
                staging.AsSpan((int)(StoredRow(firstRow + i) - first) * storedBytes, bytes).CopyTo(target);
                Add(target);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(staging);
        }
    }

    private long StoredRow(long row)
    {
        if (SharedBy == 1)
        {
            return row;
        }

        (long matrix, long inMatrix) = Math.DivRem(row, MatrixRows);
        return (matrix * ((MatrixRows + SharedBy - 1) / SharedBy)) + (inMatrix / SharedBy);
    }

    private void Add(Span<byte> target)
    {
        if (Added != 0)
        {
            for (int i = 0; i < target.Length; i++)
            {
                target[i] += Added;
            }
        }
    }
}
