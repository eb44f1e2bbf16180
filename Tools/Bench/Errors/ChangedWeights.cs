namespace NativeFfn.Bench.Errors;

/// <summary>Changes a row of a matrix.</summary>
/// <param name="row">The row.</param>
/// <param name="first">The place of its first weight in the matrix, row-major.</param>
internal delegate void RowChange(Span<float> row, long first);

/// <summary>A layer's weights, changed row by row as they are read.</summary>
/// <param name="source">The weights.</param>
/// <param name="change">Changes a row.</param>
internal sealed class ChangedWeights(IFfnWeightSource source, RowChange change) : IFfnWeightSource
{
    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
    {
        source.ReadRows(tensor, firstRow, destination);
        for (int row = 0; row < destination.Length / tensor.Columns; row++)
        {
            change(destination.Slice(row * tensor.Columns, tensor.Columns), (long)(firstRow + row) * tensor.Columns);
        }
    }
}
