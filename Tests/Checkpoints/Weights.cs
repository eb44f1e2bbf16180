using NativeFfn.Checkpoints;

namespace NativeFfn.Tests.Checkpoints;

/// <summary>Reads a layer's tensors whole or in blocks of rows, as backends do.</summary>
internal static class Weights
{
    public static float[] Read(FfnCheckpointLayer layer, string name, int rowsAtATime = int.MaxValue)
    {
        FfnTensor tensor = layer.Spec.Tensors.Single(tensor => tensor.Name == name);
        float[] values = new float[tensor.ElementCount];
        for (int row = 0; row < tensor.Rows; row += Math.Min(rowsAtATime, tensor.Rows - row))
        {
            int rows = Math.Min(rowsAtATime, tensor.Rows - row);
            layer.Weights.ReadRows(tensor, row, values.AsSpan(row * tensor.Columns, rows * tensor.Columns));
        }

        return values;
    }

    public static float[] Transposed(float[] stored, int storedRows)
    {
        int storedColumns = stored.Length / storedRows;
        float[] values = new float[stored.Length];
        for (int row = 0; row < storedRows; row++)
        {
            for (int column = 0; column < storedColumns; column++)
            {
                values[(column * storedRows) + row] = stored[(row * storedColumns) + column];
            }
        }

        return values;
    }
}
