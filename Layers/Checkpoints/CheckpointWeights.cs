using System.Collections.Concurrent;
using NativeFfn.Backends.Encodings;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Checkpoints;

/// <summary>A layer's weights in the files of a checkpoint, as they are stored or as float32. Safe for use by several threads at once.</summary>
internal sealed class CheckpointWeights : IEncodedWeightSource
{
    private readonly Dictionary<TensorKey, StoredRows> _tensors = [];
    private readonly ConcurrentDictionary<(TensorKey Tensor, int First, int Columns), StoredRows> _parts = [];

    /// <summary>Adds a tensor of the layer.</summary>
    public void Add(FfnTensor tensor, StoredRows rows) => _tensors.Add(tensor.Key, rows);

    /// <summary>The rows of a tensor in the files.</summary>
    public StoredRows RowsOf(FfnTensor tensor) => Find(tensor);

    /// <inheritdoc/>
    public WeightEncoding EncodingOf(FfnTensor tensor) => Find(tensor).Encoding;

    /// <inheritdoc/>
    public void ReadBlocks(FfnTensor tensor, int firstRow, Span<byte> rows)
    {
        StoredRows stored = Find(tensor);
        RequireRows(tensor, firstRow, rows.Length, stored.RowBytes);
        stored.Read(firstRow, rows);
    }

    /// <inheritdoc/>
    public void ReadBlocks(FfnTensor tensor, int firstRow, int firstColumn, int columns, Span<byte> parts)
    {
        StoredRows stored = Find(tensor);
        StoredRows part = _parts.GetOrAdd(
            (tensor.Key, firstColumn, columns), static (key, whole) => whole.Cut(key.First, key.Columns), stored);
        RequireRows(tensor, firstRow, parts.Length, part.RowBytes);
        part.Read(firstRow, parts);
    }

    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
    {
        StoredRows stored = Find(tensor);
        RequireRows(tensor, firstRow, destination.Length, tensor.Columns);
        stored.ReadFloats(firstRow, destination);
    }

    private StoredRows Find(FfnTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return _tensors.TryGetValue(tensor.Key, out StoredRows? rows)
            ? rows
            : throw new ArgumentException($"The layer has no tensor '{tensor.Name}'.", nameof(tensor));
    }

    private static void RequireRows(FfnTensor tensor, int firstRow, int length, int rowLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        (int count, int rest) = Math.DivRem(length, rowLength);
        if (rest != 0 || count > tensor.Rows - firstRow)
        {
            throw new ArgumentException($"{length} elements from row {firstRow} are no whole rows of '{tensor.Name}' {tensor.Shape}.", nameof(length));
        }
    }
}
