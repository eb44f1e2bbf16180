using System.Collections.Frozen;
using System.Collections.Immutable;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>
/// A matrix, or a stack of them, whose rows are put together from stored parts when they are read. Safe for use by several threads at once.
/// </summary>
internal sealed class QuantisedTensor : ITensorFile
{
    // Rows put together at a time: parts need as much room again at most.
    private const int PieceBytes = 1024 * 1024;

    // Where rows lie across a stored tensor: a band of some thousand of any usual width, kept until the rows after it are asked for.
    private const int BandBytes = 4 * 1024 * 1024;

    private readonly ImmutableArray<RowPart> _parts;
    private readonly int _rowBytes;
    private readonly bool _isAcross;
    private readonly int _pieceRows;
    private RowBand? _kept;

    /// <summary>A matrix of parts.</summary>
    /// <param name="path">The file that has its codes.</param>
    /// <param name="entry">What is shown of it.</param>
    /// <param name="parts">What its rows are made of.</param>
    public QuantisedTensor(string path, TensorEntry entry, ImmutableArray<RowPart> parts)
    {
        Path = path;
        Entry = entry;
        _parts = parts;
        _rowBytes = checked((int)entry.Encoding!.RowBytes((int)entry.Columns));
        _isAcross = parts.Any(static part => part.IsAcross);

        // Every format that lies across packs at most 32 rows to a word: bands begin with one.
        const int wordRows = 32;
        long rows = Math.Clamp((_isAcross ? BandBytes : PieceBytes) / _rowBytes, 1, entry.Rows);
        _pieceRows = (int)(_isAcross && rows < entry.Rows ? (rows + wordRows - 1) / wordRows * wordRows : rows);
    }

    /// <inheritdoc/>
    public string Path { get; }

    /// <summary>What is shown.</summary>
    public TensorEntry Entry { get; }

    /// <inheritdoc/>
    public FrozenDictionary<string, TensorEntry> Tensors =>
        new Dictionary<string, TensorEntry> { [Entry.Name] = Entry }.ToFrozenDictionary();

    /// <inheritdoc/>
    public string ReadableTypes => Entry.Type;

    /// <inheritdoc/>
    public void ReadBlocks(TensorEntry tensor, long firstRow, Span<byte> rows)
    {
        (int count, int rest) = Math.DivRem(rows.Length, _rowBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        bool isThis = tensor.Name == Entry.Name && tensor.Columns == Entry.Columns;
        if (!isThis || rest != 0 || firstRow > Entry.Rows || count > Entry.Rows - firstRow)
        {
            throw new ArgumentOutOfRangeException(
                nameof(rows),
                $"{rows.Length} bytes from row {firstRow} are no whole rows of '{Entry.Name}', which has {Entry.Rows} of {_rowBytes}.");
        }

        for (int done = 0; done < count;)
        {
            done += _isAcross
                ? CopyOfBand(firstRow + done, count - done, rows[(done * _rowBytes)..])
                : Assemble(firstRow + done, Math.Min(count - done, _pieceRows), rows[(done * _rowBytes)..]);
        }
    }

    /// <summary>Does nothing: the files are the checkpoint's.</summary>
    public void Dispose()
    {
    }

    private int Assemble(long firstRow, int count, Span<byte> rows)
    {
        rows = rows[..(count * _rowBytes)];
        rows.Clear();
        foreach (RowPart part in _parts)
        {
            part.Read(firstRow, count, rows, _rowBytes);
        }

        return count;
    }

    private int CopyOfBand(long firstRow, int count, Span<byte> rows)
    {
        RowBand band = Interlocked.Exchange(ref _kept, null) ?? new RowBand();
        long bandFirst = firstRow / _pieceRows * _pieceRows;
        int bandRows = (int)Math.Min(_pieceRows, Entry.Rows - bandFirst);
        if (band.FirstRow != bandFirst)
        {
            if (band.Rows.Length == 0)
            {
                band.Rows = GC.AllocateUninitializedArray<byte>(checked(_pieceRows * _rowBytes));
            }

            // A failing read must not leave a band that looks whole.
            band.FirstRow = -1;
            Assemble(bandFirst, bandRows, band.Rows);
            band.FirstRow = bandFirst;
        }

        int skipped = (int)(firstRow - bandFirst);
        count = Math.Min(count, bandRows - skipped);
        band.Rows.AsSpan(skipped * _rowBytes, count * _rowBytes).CopyTo(rows);

        // Rows are asked for in order: after the last one the band has done its work.
        if (firstRow + count < Entry.Rows)
        {
            Volatile.Write(ref _kept, band);
        }

        return count;
    }

    private sealed class RowBand
    {
        public long FirstRow { get; set; } = -1;

        public byte[] Rows { get; set; } = [];
    }
}
