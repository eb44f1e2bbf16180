using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Files;

/// <summary>Rows of the transpose of a stored matrix: rows of <c>[out, in]</c> out of a file that has <c>[in, out]</c>.</summary>
/// <remarks>
/// Whoever asks for a few rows at a time would make a strided read of the whole matrix for each: a band of rows is transposed at
/// once instead and kept until the rows after it are asked for. Threads that read at the same time get a band each.
/// </remarks>
/// <typeparam name="T">An integer as long as a weight.</typeparam>
internal sealed class TransposedRows<T>(ITensorFile file, TensorEntry tensor, WeightEncoding encoding, int rows, int columns)
    : StoredRows(encoding, columns)
    where T : unmanaged
{
    // Some MiB of rows: a stored row then contributes some hundred neighbouring weights to a band of any usual width.
    private const int BandElements = 1024 * 1024;

    // Stored rows transposed together; they fill one cache line of every row of the band.
    private const int TileColumns = 16;

    private readonly TensorEntry _elements = tensor.AsColumn();
    private readonly int _bandRows = Math.Clamp(BandElements / columns, 1, rows);
    private Band? _kept;

    /// <inheritdoc/>
    public override TensorEntry? Tensor => tensor;

    /// <inheritdoc/>
    public override bool IsTransposed => true;

    /// <inheritdoc/>
    public override void Read(long firstRow, Span<byte> rows) => ReadRows((int)firstRow, MemoryMarshal.Cast<byte, T>(rows));

    private void ReadRows(int firstRow, Span<T> destination)
    {
        while (!destination.IsEmpty)
        {
            Band band = Interlocked.Exchange(ref _kept, null) ?? new Band();
            int bandFirst = firstRow / _bandRows * _bandRows;
            if (band.FirstRow != bandFirst)
            {
                Load(band, bandFirst);
            }

            ReadOnlySpan<T> found = band.Values.AsSpan((firstRow - bandFirst) * Columns);
            int count = Math.Min(Math.Min(_bandRows, rows - bandFirst) * Columns - ((firstRow - bandFirst) * Columns), destination.Length);
            found[..count].CopyTo(destination);
            destination = destination[count..];
            firstRow += count / Columns;

            // Rows are asked for in order: after the last one the band has done its work.
            if (firstRow < rows)
            {
                Volatile.Write(ref _kept, band);
            }
        }
    }

    private void Load(Band band, int firstRow)
    {
        int count = Math.Min(_bandRows, rows - firstRow);
        if (band.Values.Length == 0)
        {
            band.Values = GC.AllocateUninitializedArray<T>(_bandRows * Columns);
            band.Tile = GC.AllocateUninitializedArray<T>(TileColumns * _bandRows);
        }

        // A failing read must not leave a band that looks whole.
        band.FirstRow = -1;
        for (int column = 0; column < Columns; column += TileColumns)
        {
            int width = Math.Min(TileColumns, Columns - column);
            ReadTile(band.Tile.AsSpan(0, width * count), firstRow, count, column, width);
            for (int row = 0; row < count; row++)
            {
                Span<T> target = band.Values.AsSpan((row * Columns) + column, width);
                for (int i = 0; i < target.Length; i++)
                {
                    target[i] = band.Tile[(i * count) + row];
                }
            }
        }

        band.FirstRow = firstRow;
    }

    private void ReadTile(Span<T> tile, int firstRow, int count, int column, int width)
    {
        // Whole stored rows follow one another in the file.
        if (count == rows)
        {
            file.ReadBlocks(_elements, (long)column * rows, MemoryMarshal.AsBytes(tile));
            return;
        }

        for (int i = 0; i < width; i++)
        {
            file.ReadBlocks(_elements, ((long)(column + i) * rows) + firstRow, MemoryMarshal.AsBytes(tile.Slice(i * count, count)));
        }
    }

    private sealed class Band
    {
        public int FirstRow { get; set; } = -1;

        public T[] Values { get; set; } = [];

        public T[] Tile { get; set; } = [];
    }
}
