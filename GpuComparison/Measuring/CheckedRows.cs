using System.Collections.Immutable;

namespace NativeFfn.GpuComparison.Measuring;

/// <summary>Rows for a layer, and what it must make of the first and the last of each token count.</summary>
internal sealed class CheckedRows
{
    private const int InputSeed = 1;

    private readonly int _width;
    private readonly float[] _input;
    private readonly Dictionary<int, double[]> _branches = [];

    /// <summary>Computes the answers, in double.</summary>
    /// <param name="spec">A SwiGLU layer without biases.</param>
    /// <param name="weights">Its weights.</param>
    /// <param name="tokens">The token counts.</param>
    public CheckedRows(FfnSpec spec, IFfnWeightSource weights, ImmutableArray<int> tokens)
    {
        _width = spec.DModel;
        _input = Random(checked(tokens.Max() * _width));
        int[] rows = [.. tokens.Select(static count => count - 1).Append(0).Distinct()];
        double[][] branches = Float64Rows.Of(spec, weights, [.. rows.Select(row => Row(_input, row))]);
        foreach ((int row, double[] branch) in rows.Zip(branches))
        {
            _branches.Add(row, branch);
        }
    }

    /// <summary>The first rows, <c>[tokens, d_model]</c>.</summary>
    public float[] Input(int tokens) => _input[..(tokens * _width)];

    /// <summary>The larger relative L2 error of the two rows; NaN where one is no number.</summary>
    /// <param name="output">The layer's result with its residual, for one of the token counts.</param>
    public double Error(float[] output) => Math.Max(ErrorOf(output, 0), ErrorOf(output, (output.Length / _width) - 1));

    private double ErrorOf(float[] output, int row) => Float64Rows.RelativeError(Row(output, row), Row(_input, row), _branches[row]);

    private float[] Row(float[] rows, int row) => rows[(row * _width)..((row + 1) * _width)];

    // Uniform in [−1, 1).
    private static float[] Random(int count)
    {
        float[] values = new float[count];
        var random = new Random(InputSeed);
        foreach (ref float value in values.AsSpan())
        {
            value = (2f * random.NextSingle()) - 1f;
        }

        return values;
    }
}
