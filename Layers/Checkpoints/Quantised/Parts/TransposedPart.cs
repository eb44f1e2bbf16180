using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>A part that is stored as a transpose, <c>[elements of a row, rows]</c>: GPTQ's words of codes and its scales.</summary>
/// <typeparam name="T">An integer as long as an element.</typeparam>
/// <param name="piece">The stored tensor.</param>
/// <param name="offset">Where the part begins in a row.</param>
/// <param name="bytes">Bytes of the part: of the last element it may need the first ones alone.</param>
/// <param name="matrixRows">Rows of the matrix.</param>
internal sealed class TransposedPart<T>(TensorPiece piece, int offset, int bytes, int matrixRows) : RowPart
    where T : unmanaged
{
    // Stored rows turned together: they fill a cache line of every row.
    private const int Tile = 16;

    /// <inheritdoc/>
    public override bool IsAcross => true;

    /// <inheritdoc/>
    public override void Read(long firstRow, int count, Span<byte> rows, int rowBytes)
    {
        int size = Unsafe.SizeOf<T>();
        int elements = (bytes + size - 1) / size;
        T[] tile = GC.AllocateUninitializedArray<T>(checked(Math.Min(Tile, elements) * count));
        for (int first = 0; first < elements; first += Tile)
        {
            int height = Math.Min(Tile, elements - first);
            Span<T> stored = tile.AsSpan(0, height * count);
            RowSlices.Read(piece, first, height, (long)matrixRows * size, firstRow * size, MemoryMarshal.AsBytes(stored));
            (int whole, int rest) = Math.DivRem(Math.Min(height * size, bytes - (first * size)), size);
            for (int row = 0; row < count; row++)
            {
                Span<byte> target = rows.Slice((row * rowBytes) + offset + (first * size), (whole * size) + rest);
                for (int i = 0; i < whole; i++)
                {
                    MemoryMarshal.Write(target[(i * size)..], stored[(i * count) + row]);
                }

                if (rest > 0)
                {
                    MemoryMarshal.AsBytes(stored.Slice((whole * count) + row, 1))[..rest].CopyTo(target[(whole * size)..]);
                }
            }
        }
    }
}

/// <summary>Reads the same columns of several stored rows.</summary>
internal static class RowSlices
{
    /// <summary>Fills a span with as many bytes of each row.</summary>
    /// <param name="piece">The stored tensor.</param>
    /// <param name="first">The first stored row.</param>
    /// <param name="count">Stored rows.</param>
    /// <param name="stride">Bytes of a stored row.</param>
    /// <param name="offset">The first byte wanted of each.</param>
    /// <param name="destination">Receives the bytes, row after row.</param>
    public static void Read(TensorPiece piece, long first, int count, long stride, long offset, Span<byte> destination)
    {
        int bytes = destination.Length / count;
        if (bytes == stride)
        {
            // Whole stored rows follow one another in the file.
            piece.Read(first * stride, destination);
            return;
        }

        for (int i = 0; i < count; i++)
        {
            piece.Read(((first + i) * stride) + offset, destination.Slice(i * bytes, bytes));
        }
    }
}
