using System.Diagnostics;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Reference;

/// <summary>The experts of a mixture in float64; only the weights of chosen experts are read.</summary>
internal sealed class Float64Mixture(FfnSpec spec, Float64Network network)
{
    private MixtureSpec Mixture => spec.Mixture!;

    /// <summary>Where each row goes.</summary>
    /// <exception cref="ArgumentException">A token's logits are not all finite as float32, in which every other backend has them.</exception>
    public Float64Route[] Route(double[] x)
    {
        double[] logits = network.Project(x, new TensorKey(FfnTensorRole.RouterWeight), new TensorKey(FfnTensorRole.RouterBias));
        float[] bias = network.ReadVector(new TensorKey(FfnTensorRole.RouterSelectionBias));
        long start = Stopwatch.GetTimestamp();
        int unroutable = Array.FindIndex(logits, static logit => !float.IsFinite((float)logit));
        if (unroutable >= 0)
        {
            throw Router.Unroutable(unroutable / Mixture.Experts);
        }

        var routes = new Float64Route[logits.Length / Mixture.Experts];
        for (int token = 0; token < routes.Length; token++)
        {
            routes[token] = Float64Router.Route(Mixture, logits.AsSpan(token * Mixture.Experts, Mixture.Experts), bias);
        }

        network.AddTime(FfnStep.Routing, start);
        return routes;
    }

    /// <summary>y = Σ w_e · expert_e(x) [+ bias] + factor · [σ(g · x)] · shared(x), or with expert_e(w_e · x)</summary>
    /// <param name="x">The rows.</param>
    /// <param name="routes">Where each goes.</param>
    /// <param name="counts">Counts the tokens of each expert where it is given.</param>
    public double[] Run(double[] x, Float64Route[] routes, ExpertTokens? counts)
    {
        double[] y = RunShared(x);
        for (int expert = 0; expert < Mixture.Experts; expert++)
        {
            int[] tokens = [.. Enumerable.Range(0, routes.Length).Where(token => routes[token].Experts.Contains(expert))];
            if (tokens.Length > 0)
            {
                counts?.Add(expert, tokens.Length);
                AddExpert(expert, tokens, routes, x, y);
            }
        }

        float[] bias = network.ReadVector(new TensorKey(FfnTensorRole.MixtureBias));
        for (int i = 0; bias.Length > 0 && i < y.Length; i++)
        {
            y[i] += bias[i % bias.Length];
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
        long start = Stopwatch.GetTimestamp();
        float[] gate = network.ReadVector(new TensorKey(FfnTensorRole.SharedGateWeight));
        for (int first = 0; first < y.Length; first += spec.InputWidth)
        {
            double open = gate.Length == 0 ? 1 : SigmoidActivation.Of(Float64Network.Dot(x.AsSpan(first, gate.Length), gate));
            foreach (ref double value in y.AsSpan(first, spec.InputWidth))
            {
                value *= open * Mixture.SharedFactor;
            }
        }

        network.AddTime(FfnStep.Routing, start);
        return y;
    }

    private void AddExpert(int expert, int[] tokens, Float64Route[] routes, double[] x, double[] y)
    {
        int width = spec.InputWidth;
        double[] weights = Array.ConvertAll(tokens, token => routes[token].Weights[Array.IndexOf(routes[token].Experts, expert)]);
        double[] inputs = Mixture.WeighsInput ? weights : Array.ConvertAll(weights, static _ => 1.0);
        double[] outputs = Mixture.WeighsInput ? Array.ConvertAll(weights, static _ => 1.0) : weights;
        double[] rows = [.. tokens.SelectMany((token, i) => x.AsSpan(token * width, width).ToArray().Select(value => inputs[i] * value))];
        double[] results = network.Run(spec.Stages, rows, expert);
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < tokens.Length; i++)
        {
            for (int column = 0; column < width; column++)
            {
                y[(tokens[i] * width) + column] += outputs[i] * results[(i * width) + column];
            }
        }

        network.AddTime(FfnStep.Routing, start);
    }
}
