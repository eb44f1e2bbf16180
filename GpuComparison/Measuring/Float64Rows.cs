namespace NativeFfn.GpuComparison.Measuring;

/// <summary>What a SwiGLU layer without biases makes of some rows, in double: an answer that no GPU had a hand in.</summary>
internal static class Float64Rows
{
    /// <summary>Σ over the hidden: down · (silu(gate · x) ⊙ (up · x)), <c>[rows, d_model]</c>.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="weights">Its weights, which may be read by several threads.</param>
    /// <param name="rows">x, one array a row.</param>
    public static double[][] Of(FfnSpec spec, IFfnWeightSource weights, float[][] rows)
    {
        double[][] gate = Multiply(spec, weights, FfnTensorRole.Weight, 0, Widen(rows));
        double[][] up = Multiply(spec, weights, FfnTensorRole.UpWeight, 0, Widen(rows));
        double[][] hidden = [.. gate.Zip(up, static (g, u) => (double[])[.. g.Zip(u, static (a, b) => a / (1 + Math.Exp(-a)) * b)])];
        return Multiply(spec, weights, FfnTensorRole.Weight, 1, hidden);
    }

    /// <summary>‖(y − x) − branch‖₂ / ‖branch‖₂: the residual, which is exact, does not hide an error.</summary>
    public static double RelativeError(float[] output, float[] input, double[] branch)
    {
        double error = 0;
        double norm = 0;
        for (int i = 0; i < branch.Length; i++)
        {
            double difference = (double)output[i] - input[i] - branch[i];
            error += difference * difference;
            norm += branch[i] * branch[i];
        }

        return Math.Sqrt(error / norm);
    }

    private static double[][] Widen(float[][] rows) => [.. rows.Select(static row => Array.ConvertAll(row, static value => (double)value))];

    private static double[][] Multiply(FfnSpec spec, IFfnWeightSource weights, FfnTensorRole role, int stage, double[][] rows)
    {
        FfnTensor matrix = spec.Tensors.Single(tensor => tensor.Role == role && tensor.Stage == stage);
        double[][] products = [.. rows.Select(_ => new double[matrix.Rows])];
        Parallel.For(0, matrix.Rows, () => new float[matrix.Columns], (row, _, line) =>
        {
            weights.ReadRows(matrix, row, line);
            for (int i = 0; i < rows.Length; i++)
            {
                double sum = 0;
                for (int column = 0; column < line.Length; column++)
                {
                    sum += line[column] * rows[i][column];
                }

                products[i][row] = sum;
            }

            return line;
        }, static _ => { });
        return products;
    }
}
