namespace NativeFfn.Cli.Verification;

/// <summary>A layer's answers in double, by the formulas, for comparing backends with.</summary>
/// <remarks>
/// Weights are read in pieces for every projection and never held as a whole: a layer costs time, not memory. Stored numbers are what the
/// checkpoint holds, so the reference knows the rounding of the arithmetic and not that of the weights.
/// </remarks>
internal sealed class Float64Reference
{
    private readonly FfnSpec _spec;
    private readonly Float64Network _network;

    /// <summary>The reference of a layer.</summary>
    public Float64Reference(FfnSpec spec, IFfnWeightSource weights, CancellationToken cancellation = default)
    {
        _spec = spec;
        _network = new Float64Network(spec, weights, cancellation);
    }

    /// <summary>The modes of a layer that differ: without norms, a block is the residual mode.</summary>
    public static IEnumerable<FfnMode> ModesOf(FfnSpec spec) => spec.Modes.Where(mode => mode != FfnMode.Block || spec.HasNorms);

    /// <summary>Every mode's output, row-major <c>[tokens, OutputWidth]</c>.</summary>
    /// <param name="input">x, row-major <c>[tokens, InputWidth]</c>; the residual too.</param>
    public Dictionary<FfnMode, double[]> Compute(ReadOnlySpan<float> input)
    {
        double[] x = Widen(input);
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

    /// <summary>
    /// By how much each row's routing was decided, in the mode where it was closest (<see cref="Float64Route.Margin"/>); infinite in a
    /// layer without a router.
    /// </summary>
    /// <param name="input">x, row-major <c>[tokens, InputWidth]</c>.</param>
    public double[] RoutingMargins(ReadOnlySpan<float> input)
    {
        double[] x = Widen(input);
        double[] margins = new double[x.Length / _spec.InputWidth];
        Array.Fill(margins, double.PositiveInfinity);
        if (_spec.Mixture is null)
        {
            return margins;
        }

        var mixture = new Float64Mixture(_spec, _network);
        double[][] routed = _spec.PreNorm is null ? [x] : [x, NormalizeBefore(x)];
        foreach (double[] rows in routed)
        {
            foreach ((int token, Float64Route route) in mixture.Route(rows).Index())
            {
                margins[token] = Math.Min(margins[token], route.Margin);
            }
        }

        return margins;
    }

    private static double[] Widen(ReadOnlySpan<float> input)
    {
        var x = new double[input.Length];
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = input[i];
        }

        return x;
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
            : Network(NormalizeBefore(x));
        branch = Normalize(_spec.BranchNorm, FfnTensorRole.BranchNormWeight, FfnTensorRole.BranchNormBias, branch);
        return Normalize(_spec.PostNorm, FfnTensorRole.PostNormWeight, FfnTensorRole.PostNormBias, Sum(x, branch));
    }

    private double[] NormalizeBefore(double[] x) =>
        Normalize(_spec.PreNorm, FfnTensorRole.PreNormWeight, FfnTensorRole.PreNormBias, [.. x]);

    private double[] Normalize(NormSpec? norm, FfnTensorRole weightRole, FfnTensorRole biasRole, double[] rows)
    {
        if (norm is null)
        {
            return rows;
        }

        float[] weight = _network.ReadVector(weightRole);
        float[] bias = _network.ReadVector(biasRole);
        for (int start = 0; start < rows.Length; start += weight.Length)
        {
            Normalize(norm, rows.AsSpan(start, weight.Length), weight, bias);
        }

        return rows;
    }

    private double[] Network(double[] x) => _spec.Mixture is null
        ? _network.Run(_spec.Stages, x)
        : new Float64Mixture(_spec, _network).Run(x);

    /// <summary>Normalises one token's row in place.</summary>
    private static void Normalize(NormSpec norm, Span<double> row, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias)
    {
        double mean = 0;
        if (norm.Kind == NormKind.Layer)
        {
            foreach (double value in row)
            {
                mean += value / row.Length;
            }
        }

        double variance = 0;
        foreach (double value in row)
        {
            variance += (value - mean) * (value - mean) / row.Length;
        }

        double scale = 1 / Math.Sqrt(variance + norm.Epsilon);
        double offset = norm.Kind == NormKind.RmsOnePlusWeight ? 1 : 0;
        for (int i = 0; i < row.Length; i++)
        {
            row[i] = ((row[i] - mean) * scale * (offset + weight[i])) + (bias.IsEmpty ? 0 : bias[i]);
        }
    }
}
