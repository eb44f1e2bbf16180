namespace NativeFfn.Tests.Support;

/// <summary>Weights and rows of a seed.</summary>
internal static class RandomLayers
{
    // A hundred times the error of a float32 score, relative to the largest of them.
    private const double RoutingMargin = 1e-5;

    /// <summary>Normally distributed matrices scaled so that every stage keeps the size of its rows; biases and norms of moderate size.</summary>
    public static FfnMemoryWeights Gaussian(FfnSpec spec, int seed)
    {
        var random = new Random(seed);
        var weights = new FfnMemoryWeights(spec);
        foreach (FfnTensor tensor in spec.Tensors)
        {
            (double mean, double spread) = tensor.IsVector ? VectorOf(spec, tensor.Role) : (0, 1 / Math.Sqrt(tensor.Columns));
            weights.Set(tensor.Name, Numbers((int)tensor.ElementCount, () => (float)(mean + (spread * NextGaussian(random)))));
        }

        return weights;
    }

    /// <summary>Integers from -largest to largest in every tensor.</summary>
    public static FfnMemoryWeights Integers(FfnSpec spec, int seed, int largest)
    {
        var random = new Random(seed);
        var weights = new FfnMemoryWeights(spec);
        foreach (FfnTensor tensor in spec.Tensors)
        {
            weights.Set(tensor.Name, Numbers((int)tensor.ElementCount, () => random.Next(-largest, largest + 1)));
        }

        return weights;
    }

    /// <summary>Normally distributed rows.</summary>
    public static float[] Rows(int tokens, int width, int seed)
    {
        var random = new Random(seed);
        return Numbers(tokens * width, () => (float)NextGaussian(random));
    }

    /// <summary>Normally distributed rows; in a mixture such that float32 cannot route them otherwise than float64 does, in no mode.</summary>
    public static float[] RowsFor(FfnSpec spec, FfnMemoryWeights weights, int tokens, int seed)
    {
        int width = spec.InputWidth;
        float[] rows = Rows(tokens, width, seed);
        if (spec.Mixture is null)
        {
            return rows;
        }

        var random = new Random(seed + 1);
        for (int token = 0; token < tokens; token++)
        {
            Span<float> row = rows.AsSpan(token * width, width);
            while (LeastMargin(spec, weights, row) < RoutingMargin)
            {
                foreach (ref float number in row)
                {
                    number = (float)NextGaussian(random);
                }
            }
        }

        return rows;
    }

    /// <summary>Rows of integers from -largest to largest.</summary>
    public static float[] IntegerRows(int tokens, int width, int seed, int largest)
    {
        var random = new Random(seed);
        return Numbers(tokens * width, () => random.Next(-largest, largest + 1));
    }

    /// <summary>Numbers spread evenly from -1 to 1, times a factor.</summary>
    public static float[] Uniform(int count, int seed, float factor = 1)
    {
        var random = new Random(seed);
        return Numbers(count, () => ((random.NextSingle() * 2) - 1) * factor);
    }

    /// <summary>The same weights with every element made positive.</summary>
    public static FfnMemoryWeights Absolute(FfnSpec spec, FfnMemoryWeights weights)
    {
        var absolute = new FfnMemoryWeights(spec);
        foreach (FfnTensor tensor in spec.Tensors)
        {
            absolute.Set(tensor.Name, Array.ConvertAll(weights.Get(tensor.Name).ToArray(), MathF.Abs));
        }

        return absolute;
    }

    private static double LeastMargin(FfnSpec spec, FfnMemoryWeights weights, ReadOnlySpan<float> row) => Math.Min(
        OracleMixture.Route(spec, weights, Estimate.Exact(row).Values)[0].Margin,
        OracleMixture.Route(spec, weights, Oracle.Normalize(spec, weights, row))[0].Margin);

    private static (double Mean, double Spread) VectorOf(FfnSpec spec, FfnTensorRole role) => role switch
    {
        FfnTensorRole.PreNormWeight => NormWeight(spec.PreNorm!),
        FfnTensorRole.BranchNormWeight => NormWeight(spec.BranchNorm!),
        FfnTensorRole.PostNormWeight => NormWeight(spec.PostNorm!),
        FfnTensorRole.InnerNormWeight => NormWeight(spec.InnerNorm!),
        FfnTensorRole.BranchScale => (1, 0.5),
        FfnTensorRole.SharedGateWeight => (0, 1 / Math.Sqrt(spec.InputWidth)),
        _ => (0, 0.5),
    };

    private static (double Mean, double Spread) NormWeight(NormSpec norm) => (1 - norm.WeightOffset, 0.25);

    private static float[] Numbers(int count, Func<float> next)
    {
        float[] numbers = new float[count];
        foreach (ref float number in numbers.AsSpan())
        {
            number = next();
        }

        return numbers;
    }

    // Box and Muller 1958.
    private static double NextGaussian(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
