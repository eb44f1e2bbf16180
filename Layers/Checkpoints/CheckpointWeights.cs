namespace NativeFfn.Checkpoints;

/// <summary>A layer's weights in the files of a checkpoint. Safe for use by several threads at once.</summary>
internal sealed class CheckpointWeights : IFfnWeightSource
{
    private delegate void RowReader(int firstRow, Span<float> destination);

    private readonly Dictionary<string, RowReader> _readers = [];

    /// <summary>Adds a tensor that the file holds row by row, from an element on.</summary>
    public void Add(FfnTensor wanted, SafetensorsFile file, SafetensorsTensor stored, long firstElement)
    {
        int columns = wanted.Columns;
        _readers.Add(wanted.Name, (firstRow, destination) =>
            file.ReadFloats(stored, firstElement + ((long)firstRow * columns), destination));
    }

    /// <summary>Adds a matrix that the file holds transposed.</summary>
    public void AddTransposed(FfnTensor wanted, SafetensorsFile file, SafetensorsTensor stored) =>
        _readers.Add(wanted.Name, new TransposedMatrix(file, stored, wanted.Rows, wanted.Columns).ReadRows);

    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        if (!_readers.TryGetValue(tensor.Name, out RowReader? read))
        {
            throw new ArgumentException($"The layer has no tensor '{tensor.Name}'.", nameof(tensor));
        }

        (int count, int rest) = Math.DivRem(destination.Length, tensor.Columns);
        if (rest != 0 || count > tensor.Rows - firstRow)
        {
            throw new ArgumentException(
                $"{destination.Length} elements from row {firstRow} are no whole rows of '{tensor.Name}' {tensor.Shape}.", nameof(destination));
        }

        read(firstRow, destination);
    }
}
