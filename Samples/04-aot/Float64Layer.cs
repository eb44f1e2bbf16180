namespace NativeFfn.Samples.AheadOfTime;

/// <summary>A SwiGLU layer by its formula, in float64 and without any care for speed.</summary>
internal static class Float64Layer
{
    /// <summary>y = W_down · (silu(W_gate · x) ⊙ (W_up · x)).</summary>
    public static double[] Run(FfnSpec spec, IFfnWeightSource weights, float[] x)
    {
        double[] rows = Array.ConvertAll(x, static value => (double)value);
        double[] gate = Multiply(Read(FfnTensorRole.Weight, 0), rows, spec.DModel);
        double[] up = Multiply(Read(FfnTensorRole.UpWeight, 0), rows, spec.DModel);
        double[] hidden = [.. gate.Zip(up, static (g, u) => g / (1 + Math.Exp(-g)) * u)];
        return Multiply(Read(FfnTensorRole.Weight, 1), hidden, spec.DFf);

        float[] Read(FfnTensorRole role, int stage)
        {
            FfnTensor tensor = spec.Tensors.Single(tensor => tensor.Role == role && tensor.Stage == stage);
            float[] values = new float[tensor.Rows * tensor.Columns];
            weights.ReadRows(tensor, 0, values);
            return values;
        }
    }

    /// <summary>‖actual − expected‖ / ‖expected‖.</summary>
    public static double RelativeError(double[] actual, double[] expected) =>
        Math.Sqrt(actual.Zip(expected, static (a, e) => (a - e) * (a - e)).Sum() / expected.Sum(static e => e * e));

    // Rows of the weights by rows of the input, both of one width.
    private static double[] Multiply(float[] weights, double[] rows, int width)
    {
        int outputs = weights.Length / width;
        double[] products = new double[rows.Length / width * outputs];
        for (int i = 0; i < products.Length; i++)
        {
            int row = i / outputs * width;
            int weight = i % outputs * width;
            for (int k = 0; k < width; k++)
            {
                products[i] += weights[weight + k] * rows[row + k];
            }
        }

        return products;
    }
}
