namespace NativeFfn.Tests.Support;

/// <summary>A mixture of experts in float64: every token through its experts, one expert after the other.</summary>
internal static class OracleMixture
{
    /// <summary>Where each row goes.</summary>
    public static ReferenceRoute[] Route(FfnSpec spec, FfnMemoryWeights weights, double[] rows)
    {
        MixtureSpec mixture = spec.Mixture!;
        int width = spec.InputWidth;
        float[] router = weights.Get("router.weight").ToArray();
        float[]? offsets = mixture.HasRouterBias ? weights.Get("router.bias").ToArray() : null;
        double[]? bias = mixture.HasSelectionBias ? Array.ConvertAll(weights.Get("router.selection_bias").ToArray(), static b => (double)b) : null;
        var routes = new ReferenceRoute[rows.Length / width];
        for (int token = 0; token < routes.Length; token++)
        {
            double[] logits = new double[mixture.Experts];
            for (int expert = 0; expert < logits.Length; expert++)
            {
                logits[expert] = offsets?[expert] ?? 0;
                for (int i = 0; i < width; i++)
                {
                    logits[expert] += (double)router[(expert * width) + i] * rows[(token * width) + i];
                }
            }

            routes[token] = ReferenceRouter.Route(mixture, logits, bias);
        }

        return routes;
    }

    /// <summary>Σ g_e · expert_e(x), beside the shared expert.</summary>
    public static Estimate Run(FfnSpec spec, FfnMemoryWeights weights, Estimate rows, ReferenceRoute[] routes)
    {
        Estimate sum = Shared(spec, weights, rows);
        foreach (int expert in routes.SelectMany(static route => route.Chosen).Distinct().Order())
        {
            int[] tokens = [.. Enumerable.Range(0, routes.Length).Where(token => routes[token].Chosen.Contains(expert))];
            double[] gates = Array.ConvertAll(tokens, token => routes[token].Gates[expert]);
            bool weighsInput = spec.Mixture!.WeighsInput;
            Estimate picked = Pick(rows, tokens, spec.InputWidth).Times(i => weighsInput ? gates[i / spec.InputWidth] : 1);
            Estimate results = Network(spec, weights, spec.DFf, $"experts.{expert}.", picked);
            for (int i = 0; i < tokens.Length; i++)
            {
                double gate = weighsInput ? 1 : gates[i];
                for (int column = 0; column < spec.InputWidth; column++)
                {
                    int from = (i * spec.InputWidth) + column;
                    int to = (tokens[i] * spec.InputWidth) + column;
                    sum.Values[to] += gate * results.Values[from];
                    sum.Scales[to] += Math.Abs(gate) * results.Scales[from];
                }
            }
        }

        if (spec.Mixture!.HasOutputBias)
        {
            float[] bias = weights.Get("mixture.bias").ToArray();
            sum = sum.Plus(new Estimate([.. sum.Values.Select((_, i) => (double)bias[i % bias.Length])], new double[sum.Length]));
        }

        return sum;
    }

    private static Estimate Shared(FfnSpec spec, FfnMemoryWeights weights, Estimate rows)
    {
        MixtureSpec mixture = spec.Mixture!;
        if (mixture.SharedDFf == 0)
        {
            return new Estimate(new double[rows.Length], new double[rows.Length]);
        }

        Estimate shared = Network(spec, weights, mixture.SharedDFf, "shared.", rows).Times(_ => mixture.SharedFactor);
        if (!mixture.HasSharedGate)
        {
            return shared;
        }

        float[] gate = weights.Get("shared_gate.weight").ToArray();
        for (int start = 0; start < rows.Length; start += gate.Length)
        {
            double open = ReferenceMath.Sigmoid(gate.Select((weight, i) => weight * rows.Values[start + i]).Sum());
            for (int i = start; i < start + gate.Length; i++)
            {
                shared.Values[i] *= open;
                shared.Scales[i] *= open;
            }
        }

        return shared;
    }

    private static Estimate Network(FfnSpec spec, FfnMemoryWeights weights, int dFf, string prefix, Estimate rows)
    {
        FfnSpec network = FfnSpec.Create(spec.Kind, spec.DModel, dFf, spec.Stages[0].HasBias);
        var own = new FfnMemoryWeights(network);
        foreach (FfnTensor tensor in network.Tensors)
        {
            own.Set(tensor.Name, weights.Get(prefix + tensor.Name));
        }

        return Oracle.Stages(network, own, rows)[^1].Hidden;
    }

    private static Estimate Pick(Estimate rows, int[] tokens, int width) => new(
        [.. tokens.SelectMany(token => rows.Values[(token * width)..((token + 1) * width)])],
        [.. tokens.SelectMany(token => rows.Scales[(token * width)..((token + 1) * width)])]);
}
