namespace NativeFfn.Tests.Support;

/// <summary>What the oracle says of one hidden stage.</summary>
internal sealed record OracleStage(Estimate PreActivation, Estimate Activation, Estimate? Up, Estimate Hidden);

/// <summary>What the oracle says of one forward; the last stage is among the stages too. A mixture has routes in the place of stages.</summary>
internal sealed record OracleRun(Estimate Output, Estimate Normalized, IReadOnlyList<OracleStage> Stages, ReferenceRoute[] Routes);

/// <summary>A feed-forward layer in float64 by naive loops, sharing no arithmetic with the product.</summary>
internal static class Oracle
{
    /// <summary>One forward of contiguous rows; the residual of a residual forward is the input where none is given.</summary>
    public static OracleRun Run(FfnSpec spec, FfnMemoryWeights weights, FfnMode mode, ReadOnlySpan<float> input, float[]? residual = null)
    {
        var x = Estimate.Exact(input);
        Estimate rows = mode == FfnMode.Block ? Norm(spec, weights, spec.PreNorm, FfnTensorRole.PreNormWeight, x) : x;
        Estimate normalized = rows;
        List<OracleStage> stages = [];
        ReferenceRoute[] routes = [];
        if (spec.Mixture is null)
        {
            stages = Stages(spec, weights, rows);
            rows = stages[^1].Hidden;
        }
        else
        {
            routes = OracleMixture.Route(spec, weights, rows.Values);
            rows = OracleMixture.Run(spec, weights, rows, routes);
        }

        rows = rows.Times(_ => spec.OutputFactor);
        if (mode == FfnMode.Block)
        {
            BlockForm form = spec.BlockForm;
            float[]? scale = Find(spec, weights, FfnTensorRole.BranchScale, 0);
            rows = Norm(spec, weights, spec.BranchNorm, FfnTensorRole.BranchNormWeight, rows);
            rows = rows.Times(i => form.BranchFactor * (scale is null ? 1.0 : scale[i % scale.Length]));
            rows = rows.Plus((form.ResidualIsNormed ? normalized : x).Times(_ => form.ResidualFactor));
            rows = Norm(spec, weights, spec.PostNorm, FfnTensorRole.PostNormWeight, rows);
        }
        else if (mode == FfnMode.Residual)
        {
            rows = rows.Plus(residual is null ? x : Estimate.Exact(residual));
        }

        return new OracleRun(rows, normalized, stages, routes);
    }

    /// <summary>The stages of a network one after the other.</summary>
    public static List<OracleStage> Stages(FfnSpec spec, FfnMemoryWeights weights, Estimate rows)
    {
        var stages = new List<OracleStage>();
        for (int i = 0; i < spec.Stages.Length; i++)
        {
            OracleStage stage = Stage(spec, weights, i, i == 0 ? rows : stages[^1].Hidden);
            stages.Add(i > 0 ? stage : stage with
            {
                Hidden = Norm(spec, weights, spec.InnerNorm, FfnTensorRole.InnerNormWeight, stage.Hidden),
            });
        }

        return stages;
    }

    /// <summary>The rows that a block's network sees.</summary>
    public static double[] Normalize(FfnSpec spec, FfnMemoryWeights weights, ReadOnlySpan<float> input) =>
        Norm(spec, weights, spec.PreNorm, FfnTensorRole.PreNormWeight, Estimate.Exact(input)).Values;

    private static OracleStage Stage(FfnSpec spec, FfnMemoryWeights weights, int index, Estimate rows)
    {
        FfnStage stage = spec.Stages[index];
        Activation activation = stage.Kind.Activation;
        Estimate pre = Project(stage, rows, Find(spec, weights, FfnTensorRole.Weight, index), Find(spec, weights, FfnTensorRole.Bias, index));
        ActivationParameters? parameters = stage.Kind.Parameters;
        Estimate passed = parameters is { SparsityMultiplier: not 0 } ? Sieve(pre, stage.Width, parameters.SparsityMultiplier) : pre;
        Estimate activated = passed.Times(_ => parameters?.InputFactor ?? 1).Select(
            x => ReferenceMath.Activate(activation, x, parameters), (x, scale) => activation == Activation.SquaredRelu ? scale * scale : activation == Activation.Xielu ? scale * (scale + 1) : scale);
        if (!stage.Kind.Gated)
        {
            return new OracleStage(pre, activated, null, activated);
        }

        Estimate up = Project(stage, rows, Find(spec, weights, FfnTensorRole.UpWeight, index), Find(spec, weights, FfnTensorRole.UpBias, index));
        Estimate factor = up.Select(x => ReferenceMath.Factor(activation, x), static (_, scale) => scale);
        return new OracleStage(pre, activated, up, activated.Times(factor));
    }

    // Gemma 3n: what lies less than so many standard deviations above its row's mean is cut off.
    private static Estimate Sieve(Estimate rows, int width, double multiplier)
    {
        double[] values = [.. rows.Values];
        double[] scales = [.. rows.Scales];
        for (int start = 0; start < values.Length; start += width)
        {
            double[] row = values[start..(start + width)];
            double mean = row.Average();
            double deviation = Math.Sqrt(row.Average(x => x * x) - (mean * mean));
            double size = scales[start..(start + width)].Average() + (Math.Abs(multiplier) * deviation);
            for (int i = start; i < start + width; i++)
            {
                values[i] = Math.Max(0, values[i] - mean - (multiplier * deviation));
                scales[i] += size;
            }
        }

        return new Estimate(values, scales);
    }

    private static Estimate Project(FfnStage stage, Estimate rows, float[]? weight, float[]? bias)
    {
        int tokens = rows.Length / stage.InputWidth;
        double[] values = new double[tokens * stage.Width];
        double[] scales = new double[values.Length];
        for (int t = 0; t < tokens; t++)
        {
            ReadOnlySpan<double> x = rows.Values.AsSpan(t * stage.InputWidth, stage.InputWidth);
            ReadOnlySpan<double> xScales = rows.Scales.AsSpan(t * stage.InputWidth, stage.InputWidth);
            for (int o = 0; o < stage.Width; o++)
            {
                ReadOnlySpan<float> w = weight.AsSpan(o * stage.InputWidth, stage.InputWidth);
                double sum = bias is null ? 0 : bias[o];
                double squares = sum * sum;
                for (int i = 0; i < w.Length; i++)
                {
                    sum += w[i] * x[i];
                    squares += w[i] * xScales[i] * (w[i] * xScales[i]);
                }

                values[(t * stage.Width) + o] = sum;
                scales[(t * stage.Width) + o] = Math.Max(Math.Abs(sum), Math.Sqrt(squares));
            }
        }

        return new Estimate(values, scales);
    }

    private static Estimate Norm(FfnSpec spec, FfnMemoryWeights weights, NormSpec? norm, FfnTensorRole weightRole, Estimate rows)
    {
        int width = weightRole == FfnTensorRole.InnerNormWeight ? spec.DFf : spec.InputWidth;
        if (norm is null)
        {
            return rows;
        }

        float[]? weight = Find(spec, weights, weightRole, 0);
        float[]? bias = Find(spec, weights, weightRole + 1, 0);
        double[] values = new double[rows.Length];
        double[] scales = new double[rows.Length];
        for (int start = 0; start < rows.Length; start += width)
        {
            double[] row = rows.Values[start..(start + width)];
            double[] rowScales = rows.Scales[start..(start + width)];
            double mean = norm.Kind == NormKind.Layer ? row.Average() : 0;
            double meanScale = norm.Kind == NormKind.Layer ? rowScales.Average() : 0;
            double root = Math.Sqrt(row.Average(x => (x - mean) * (x - mean)) + norm.Epsilon);
            for (int i = 0; i < width; i++)
            {
                double w = weight is null ? 1 : (double)weight[i] + norm.WeightOffset;
                double b = bias is null ? 0 : bias[i];
                values[start + i] = ((row[i] - mean) / root * w) + b;
                scales[start + i] = ((rowScales[i] + meanScale) / root * Math.Abs(w)) + Math.Abs(b);
            }
        }

        return new Estimate(values, scales);
    }

    private static float[]? Find(FfnSpec spec, FfnMemoryWeights weights, FfnTensorRole role, int stage) =>
        spec.Tensors.FirstOrDefault(tensor => tensor.Role == role && tensor.Stage == stage) is { } found
            ? weights.Get(found.Name).ToArray()
            : null;
}
