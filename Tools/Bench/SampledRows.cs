using NativeFfn.Backends.Reference;

namespace NativeFfn.Bench;

/// <summary>Float64 answers for the first, the middle and the last row of each token count: no subject had a hand in them.</summary>
internal sealed class SampledRows
{
    private readonly int _width;
    private readonly float[] _input;
    private readonly double[] _branches;
    private readonly int[] _rows;

    /// <summary>Computes the answers.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="weights">Its weights.</param>
    /// <param name="input">x, row-major, with as many rows as the largest token count.</param>
    /// <param name="tokens">The token counts.</param>
    public SampledRows(FfnSpec spec, IFfnWeightSource weights, ReadOnlySpan<float> input, IEnumerable<int> tokens)
    {
        _width = spec.InputWidth;
        _rows = [.. tokens.SelectMany(Of).Distinct()];
        _input = new float[_rows.Length * _width];
        for (int i = 0; i < _rows.Length; i++)
        {
            input.Slice(_rows[i] * _width, _width).CopyTo(_input.AsSpan(i * _width));
        }

        _branches = new Float64Forward(spec, weights).Network(Array.ConvertAll(_input, static value => (double)value));
    }

    /// <summary>
    /// ‖(y − x) − b‖₂ / ‖b‖₂ over the rows, b being what the layer adds to x: the residual, which is exact, does not hide an error. NaN
    /// where one of y is no number.
    /// </summary>
    /// <param name="output">y, row-major <c>[tokens, d_model]</c>, of one of the token counts.</param>
    public double Error(ReadOnlySpan<float> output)
    {
        (double error, double norm) = (0, 0);
        foreach (int row in Of(output.Length / _width).Distinct())
        {
            int known = Array.IndexOf(_rows, row) * _width;
            for (int i = 0; i < _width; i++)
            {
                double branch = _branches[known + i];
                double difference = (double)output[(row * _width) + i] - _input[known + i] - branch;
                error += difference * difference;
                norm += branch * branch;
            }
        }

        return Math.Sqrt(error / norm);
    }

    private static IEnumerable<int> Of(int tokens) => [0, tokens / 2, tokens - 1];
}
