namespace NativeFfn.Cli.Verification;

/// <summary>A layer's answers in double, by the formulas, for comparing backends with.</summary>
/// <remarks>
/// Weights are read in pieces for every projection and never held as a whole: a layer costs time, not memory. Stored numbers are what the
/// checkpoint holds, so the reference knows the rounding of the arithmetic and not that of the weights.
/// </remarks>
internal sealed class Float64Reference
{
    // 4 MiB of float32: large reads, and yet little beside a layer.
    private const int PieceElements = 1024 * 1024;

    private readonly FfnSpec _spec;
    private readonly IFfnWeightSource _weights;
    private readonly CancellationToken _cancellation;

    /// <summary>The reference of a layer.</summary>
    public Float64Reference(FfnSpec spec, IFfnWeightSource weights, CancellationToken cancellation = default)
    {
        _spec = spec;
        _weights = weights;
        _cancellation = cancellation;
    }

    /// <summary>The modes that a layer can be asked for.</summary>
    public static IEnumerable<FfnMode> ModesOf(FfnSpec spec)
    {
        yield return FfnMode.Ffn;
        if (spec.KeepsWidth)
        {
            yield return FfnMode.Residual;
        }

        if (spec.WhyNoBlock is null && spec.HasNorms)
        {
            yield return FfnMode.Block;
        }
    }

    /// <summary>Every mode's output, row-major <c>[tokens, OutputWidth]</c>.</summary>
    /// <param name="input">x, row-major <c>[tokens, InputWidth]</c>; the residual too.</param>
    public Dictionary<FfnMode, double[]> Compute(ReadOnlySpan<float> input)
    {
        double[] x = new double[input.Length];
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = input[i];
        }

        double[] plain = Network(x);
        var outputs = new Dictionary<FfnMode, double[]> { [FfnMode.Ffn] = plain };
        foreach (FfnMode mode in ModesOf(_spec))
        {
            if (mode == FfnMode.Residual)
            {
                outputs[mode] = Sum(x, plain);
            }
            else if (mode == FfnMode.Block)
            {
                outputs[mode] = Block(x, plain);
            }
        }

        return outputs;
    }

    private static double[] Sum(double[] left, double[] right)
    {
        var sum = new double[left.Length];
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] = left[i] + right[i];
        }

        return sum;
    }

    private double[] Block(double[] x, double[] plain)
    {
        double[] branch = _spec.PreNorm is null
            ? [.. plain]
            : Network(Normalize(_spec.PreNorm, FfnTensorRole.PreNormWeight, FfnTensorRole.PreNormBias, [.. x]));
        branch = Normalize(_spec.BranchNorm, FfnTensorRole.BranchNormWeight, FfnTensorRole.BranchNormBias, branch);
        return Normalize(_spec.PostNorm, FfnTensorRole.PostNormWeight, FfnTensorRole.PostNormBias, Sum(x, branch));
    }

    private double[] Normalize(NormSpec? norm, FfnTensorRole weightRole, FfnTensorRole biasRole, double[] rows)
    {
        if (norm is null)
        {
            return rows;
        }

        float[] weight = ReadVector(weightRole, 0);
        float[] bias = ReadVector(biasRole, 0);
        for (int start = 0; start < rows.Length; start += weight.Length)
        {
            Float64Math.Normalize(norm, rows.AsSpan(start, weight.Length), weight, bias);
        }

        return rows;
    }

    private double[] Network(double[] x)
    {
        for (int i = 0; i < _spec.Stages.Length; i++)
        {
            FfnStage stage = _spec.Stages[i];
            double[] y = Project(x, FfnTensorRole.Weight, FfnTensorRole.Bias, i);
            double[]? up = stage.Kind.Gated ? Project(x, FfnTensorRole.UpWeight, FfnTensorRole.UpBias, i) : null;
            for (int k = 0; k < y.Length; k++)
            {
                y[k] = Float64Math.Activate(stage.Kind.Activation, y[k]) * (up is null ? 1 : up[k]);
            }

            x = y;
        }

        return x;
    }

    // x · Wᵀ + b
    private double[] Project(double[] x, FfnTensorRole weightRole, FfnTensorRole biasRole, int stage)
    {
        FfnTensor weight = Find(weightRole, stage)!;
        float[] bias = ReadVector(biasRole, stage);
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

    private static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<float> w)
    {
        double sum = 0;
        for (int i = 0; i < w.Length; i++)
        {
            sum += x[i] * w[i];
        }

        return sum;
    }

    private float[] ReadVector(FfnTensorRole role, int stage)
    {
        if (Find(role, stage) is not { } tensor)
        {
            return [];
        }

        var values = new float[tensor.Columns];
        _weights.ReadRows(tensor, 0, values);
        return values;
    }

    private FfnTensor? Find(FfnTensorRole role, int stage) =>
        _spec.Tensors.FirstOrDefault(tensor => tensor.Role == role && tensor.Stage == stage);
}
