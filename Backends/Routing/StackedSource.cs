namespace NativeFfn.Backends.Routing;

/// <summary>Tensors of one width as if they were one matrix, one below the other.</summary>
/// <param name="source">Where they come from.</param>
/// <param name="tensors">The tensors, from the first row on.</param>
internal sealed class StackedSource(IFfnWeightSource source, params FfnTensor[] tensors) : IFfnWeightSource
{
    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
    {
        int columns = tensor.Columns;
        foreach (FfnTensor part in tensors)
        {
            int rows = Math.Min(part.Rows - firstRow, destination.Length / columns);
            if (rows > 0)
            {
                source.ReadRows(part, firstRow, destination[..(rows * columns)]);
                destination = destination[(rows * columns)..];
            }

            firstRow = Math.Max(0, firstRow - part.Rows);
        }
    }
}
