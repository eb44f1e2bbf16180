namespace NativeFfn.Cli.Verification;

/// <summary>The projections and vectors of a layer in double, read in pieces for every use and never held as a whole.</summary>
internal sealed class Float64Network
{
    // 4 MiB of float32: large reads, and yet little beside a layer.
    private const int PieceElements = 1024 * 1024;

    private readonly IFfnWeightSource _weights;
    private readonly CancellationToken _cancellation;
    private readonly Dictionary<(FfnTensorRole Role, int Stage, int Expert), FfnTensor> _tensors;

    public Float64Network(FfnSpec spec, IFfnWeightSource weights, CancellationToken cancellation)
    {
        _weights = weights;
        _cancellation = cancellation;
        _tensors = spec.Tensors.ToDictionary(static tensor => (tensor.Role, tensor.Stage, tensor.Expert));
    }

    /// <summary>Runs stages one after the other.</summary>
    /// <param name="stages">The stages.</param>
    /// <param name="x">Rows going in.</param>
    /// <param name="expert">Whose they are in a mixture.</param>
    public double[] Run(IEnumerable<FfnStage> stages, double[] x, int expert = FfnTensor.NoExpert)
    {
        foreach ((int i, FfnStage stage) in stages.Index())
        {
            double[] y = Project(x, FfnTensorRole.Weight, FfnTensorRole.Bias, i, expert);
            double[]? up = stage.Kind.Gated ? Project(x, FfnTensorRole.UpWeight, FfnTensorRole.UpBias, i, expert) : null;
            for (int k = 0; k < y.Length; k++)
            {
                double activated = stage.Kind.Activation.Apply(y[k], stage.Kind.KnownParameters);
                y[k] = up is null ? activated : stage.Kind.Activation.Gate(activated, up[k], stage.Kind.KnownParameters);
            }

            x = y;
        }

        return x;
    }

    /// <summary>The logits of a mixture's router.</summary>
    public double[] Logits(double[] x) => Project(x, FfnTensorRole.RouterWeight, null, 0, FfnTensor.NoExpert);

    /// <summary>A vector of the layer itself; empty where it has none such.</summary>
    public float[] ReadVector(FfnTensorRole role) => ReadVector(role, 0, FfnTensor.NoExpert);

    /// <summary>x · w, by the plain sum.</summary>
    public static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<float> w)
    {
        double sum = 0;
        for (int i = 0; i < w.Length; i++)
        {
            sum += x[i] * w[i];
        }

        return sum;
    }

    // x · Wᵀ + b
    private double[] Project(double[] x, FfnTensorRole weightRole, FfnTensorRole? biasRole, int stage, int expert)
    {
        FfnTensor weight = _tensors[(weightRole, stage, expert)];
        float[] bias = biasRole is { } role ? ReadVector(role, stage, expert) : [];
        int tokens = x.Length / weight.Columns;
        var y = new double[checked(tokens * weight.Rows)];
        int pieceRows = Math.Clamp(PieceElements / weight.Columns, 1, weight.Rows);
        float[] piece = new float[pieceRows * weight.Columns];
        for (int first = 0; first < weight.Rows; first += pieceRows)
        {
            _cancellation.ThrowIfCancellationRequested();
            int rows = Math.Min(pieceRows, weight.Rows - first);
            _weights.ReadRows(weight, first, piece.AsSpan(0, rows * weight.Columns));
            for (int row = 0; row < rows; row++)
            {
                ReadOnlySpan<float> w = piece.AsSpan(row * weight.Columns, weight.Columns);
                double offset = bias.Length == 0 ? 0 : bias[first + row];
                for (int token = 0; token < tokens; token++)
                {
                    y[(token * weight.Rows) + first + row] = Dot(x.AsSpan(token * weight.Columns, weight.Columns), w) + offset;
                }
            }
        }

        return y;
    }

    private float[] ReadVector(FfnTensorRole role, int stage, int expert)
    {
        if (!_tensors.TryGetValue((role, stage, expert), out FfnTensor? tensor))
        {
            return [];
        }

        var values = new float[tensor.Columns];
        _weights.ReadRows(tensor, 0, values);
        return values;
    }
}
