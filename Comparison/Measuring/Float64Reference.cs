using NativeFfn.Comparison.Subjects;

namespace NativeFfn.Comparison.Measuring;

/// <summary>What the layer adds to its residual, in double, for some of the rows: an answer that no subject had a hand in.</summary>
internal sealed class Float64Reference
{
    private readonly LayerWeights _weights;
    private readonly AlignedFloats _input;
    private readonly Dictionary<int, double[]> _branches = [];

    /// <summary>The reference of a layer and its rows; nothing is computed before it is asked for.</summary>
    /// <param name="weights">The layer.</param>
    /// <param name="input">x, row-major <c>[rows, d_model]</c>.</param>
    public Float64Reference(LayerWeights weights, AlignedFloats input) => (_weights, _input) = (weights, input);

    /// <summary>
    /// ‖(y − x) − b‖₂ / ‖b‖₂ over the first, the middle and the last row, b being what the layer adds to x: the residual, which is exact,
    /// does not hide an error.
    /// </summary>
    /// <param name="output">y, row-major <c>[tokens, d_model]</c>.</param>
    /// <param name="tokens">Rows.</param>
    public double RelativeError(ReadOnlySpan<float> output, int tokens)
    {
        int width = _weights.Spec.DModel;
        double error = 0;
        double norm = 0;
        foreach (int row in new SortedSet<int> { 0, tokens / 2, tokens - 1 })
        {
            double[] branch = Branch(row);
            for (int i = 0; i < width; i++)
            {
                double difference = (double)output[(row * width) + i] - _input.Span[(row * width) + i] - branch[i];
                error += difference * difference;
                norm += branch[i] * branch[i];
            }
        }

        return Math.Sqrt(error / norm);
    }

    private double[] Branch(int row)
    {
        if (_branches.TryGetValue(row, out double[]? known))
        {
            return known;
        }

        int width = _weights.Spec.DModel;
        double[] x = [.. _input.Span.Slice(row * width, width).ToArray().Select(static value => (double)value)];
        double[] gate = Product(_weights.Gate, x);
        double[] up = Product(_weights.Up, x);
        double[] hidden = [.. gate.Zip(up, static (g, u) => g / (1 + Math.Exp(-g)) * u)];
        return _branches[row] = Product(_weights.Down, hidden);
    }

    private static double[] Product(AlignedFloats matrix, double[] vector)
    {
        var product = new double[matrix.Length / vector.Length];
        Parallel.For(0, product.Length, row =>
        {
            ReadOnlySpan<float> weights = matrix.Span.Slice(row * vector.Length, vector.Length);
            double sum = 0;
            for (int i = 0; i < weights.Length; i++)
            {
                sum += weights[i] * vector[i];
            }

            product[row] = sum;
        });
        return product;
    }
}
