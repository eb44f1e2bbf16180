namespace NativeFfn.Cli.Verification;

/// <summary>A mixture of experts in double; only the weights of chosen experts are read.</summary>
internal sealed class Float64Mixture(FfnSpec spec, Float64Network network)
{
    private MixtureSpec Mixture => spec.Mixture!;

    /// <summary>Where each row goes.</summary>
    public Float64Route[] Route(double[] x)
    {
        double[] logits = network.Logits(x);
        float[] bias = network.ReadVector(FfnTensorRole.RouterSelectionBias);
        var routes = new Float64Route[logits.Length / Mixture.Experts];
        for (int token = 0; token < routes.Length; token++)
        {
            routes[token] = Float64Router.Route(Mixture, logits.AsSpan(token * Mixture.Experts, Mixture.Experts), bias);
        }

        return routes;
    }

    /// <summary>y = Σ w_e · expert_e(x) + [σ(g · x)] · shared(x)</summary>
    public double[] Run(double[] x)
    {
        Float64Route[] routes = Route(x);
        double[] y = RunShared(x);
        for (int expert = 0; expert < Mixture.Experts; expert++)
        {
            int[] tokens = [.. Enumerable.Range(0, routes.Length).Where(token => routes[token].Experts.Contains(expert))];
            if (tokens.Length > 0)
            {
                AddExpert(expert, tokens, routes, x, y);
            }
        }

        return y;
    }

    private double[] RunShared(double[] x)
    {
        if (spec.ExpertSpec(FfnTensor.SharedExpert) is not { } shared)
        {
            return new double[x.Length];
        }

        double[] y = network.Run(shared.Stages, x, FfnTensor.SharedExpert);
        float[] gate = network.ReadVector(FfnTensorRole.SharedGateWeight);
        for (int start = 0; gate.Length > 0 && start < y.Length; start += gate.Length)
        {
            double open = SigmoidActivation.Of(Float64Network.Dot(x.AsSpan(start, gate.Length), gate));
            foreach (ref double value in y.AsSpan(start, gate.Length))
            {
                value *= open;
            }
        }

        return y;
    }

    private void AddExpert(int expert, int[] tokens, Float64Route[] routes, double[] x, double[] y)
    {
        int width = spec.InputWidth;
        double[] rows = [.. tokens.SelectMany(token => x.AsSpan(token * width, width).ToArray())];
        double[] results = network.Run(spec.Stages, rows, expert);
        for (int i = 0; i < tokens.Length; i++)
        {
            Float64Route route = routes[tokens[i]];
            double weight = route.Weights[Array.IndexOf(route.Experts, expert)];
            for (int column = 0; column < width; column++)
            {
                y[(tokens[i] * width) + column] += weight * results[(i * width) + column];
            }
        }
    }
}
