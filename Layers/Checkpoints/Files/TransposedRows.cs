using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Files;

/// <summary>
/// Where the elements of a matrix lie in a tensor: row r and column c at <c>First + r · Row + c · Column</c>, in elements.
/// </summary>
/// <param name="First">The first element's place.</param>
/// <param name="Row">From a row to the next.</param>
/// <param name="Column">From a column to the next.</param>
internal readonly record struct ElementSteps(long First, long Row, long Column);

/// <summary>
/// Rows of the transpose of a stored matrix: rows of <c>[out, in]</c> out of a file that has <c>[in, out]</c>, or a part of its columns.
/// </summary>
/// <remarks>
/// Whoever asks for a few rows at a time would make a strided read of the whole matrix for each: a band of rows is transposed at
/// once instead and kept until the rows after it are asked for. Threads that read at the same time get a band each.
/// </remarks>
/// <typeparam name="T">An integer as long as a weight.</typeparam>
internal sealed class TransposedRows<T>(
    ITensorFile file, TensorEntry tensor, WeightEncoding encoding, int rows, int columns, ElementSteps steps)
    : StoredRows(encoding, columns)
    where T : unmanaged
{
    // Some MiB of rows: a stored row then contributes some hundred neighbouring weights to a band of any usual width.
    private const int BandElements = 1024 * 1024;

    // Columns turned together; they fill one cache line of every row of the band.
    private const int TileColumns = 16;

    // What lies between the wanted elements is read with them while it is no more than they are: a read costs more than some bytes.
    private const int MaxWaste = 2;

    private readonly TensorEntry _elements = tensor.AsColumn();
    private readonly int _bandRows = Math.Clamp(BandElements / columns, 1, rows);
    private Band? _kept;

    /// <inheritdoc/>
    public override TensorEntry? Tensor => tensor;

    /// <inheritdoc/>
    public override bool IsTransposed => true;

    /// <inheritdoc/>
    public override StoredRows Cut(int firstColumn, int columns) => new TransposedRows<T>(
        file, tensor, Encoding, rows, columns, steps with { First = steps.First + (firstColumn * steps.Column) });

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
            band.Tile = GC.AllocateUninitializedArray<T>(checked((int)(TileColumns * Span(_bandRows))));
        }

        // A failing read must not leave a band that looks whole.
        band.FirstRow = -1;
        for (int column = 0; column < Columns; column += TileColumns)
        {
            int width = Math.Min(TileColumns, Columns - column);
            int stride = ReadTile(band.Tile, firstRow, count, column, width);
            for (int row = 0; row < count; row++)
            {
                Span<T> target = band.Values.AsSpan((row * Columns) + column, width);
                int source = row * (int)steps.Row;
                for (int i = 0; i < target.Length; i++)
                {
                    target[i] = band.Tile[source + (i * stride)];
                }
            }
        }

        band.FirstRow = firstRow;
    }

    // The most elements from a column to the next for which they are read in one.
    private long Span(int count) => MaxWaste * count * steps.Row;

    // Reads some columns of some rows; from a column to the next are so many elements of the tile.
    private int ReadTile(Span<T> tile, int firstRow, int count, int column, int width)
    {
        long used = ((count - 1) * steps.Row) + 1;
        long start = steps.First + (firstRow * steps.Row) + (column * steps.Column);
        if (steps.Column <= Span(count))
        {
            Read(start, tile[..(int)(((width - 1) * steps.Column) + used)]);
            return (int)steps.Column;
        }

        for (int i = 0; i < width; i++)
        {
            Read(start + (i * steps.Column), tile.Slice(i * (int)used, (int)used));
        }

        return (int)used;
    }

    private void Read(long element, Span<T> destination) => file.ReadBlocks(_elements, element, MemoryMarshal.AsBytes(destination));

    private sealed class Band
    {
        public int FirstRow { get; set; } = -1;

        public T[] Values { get; set; } = [];

        public T[] Tile { get; set; } = [];
    }
}
