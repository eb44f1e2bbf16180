using System.Diagnostics;
using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.Reference;

/// <summary>One forward in float64 by the formulas: prologue, network, finish.</summary>
/// <remarks>
/// Rows are row-major <c>[tokens, width]</c>; loops and sums are plain, on one thread. Weights are read in pieces for every projection and
/// never held as a whole: a forward costs time, not memory.
/// </remarks>
/// <param name="spec">The layer.</param>
/// <param name="weights">Its weights.</param>
/// <param name="trace">Receives the inner values where one is given.</param>
/// <param name="profile">Receives the times of the steps where one is given.</param>
/// <param name="tokens">Counts the tokens of each expert where it is given.</param>
internal sealed class Float64Forward(
    FfnSpec spec, IFfnWeightSource weights, FfnTrace? trace = null, FfnProfile? profile = null, ExpertTokens? tokens = null)
{
    private readonly Float64Network _network = new(spec, weights, profile);

    /// <summary>Runs the layer.</summary>
    /// <param name="mode">How much of it.</param>
    /// <param name="x">Rows going in.</param>
    /// <param name="residual">Rows to add; not used in <see cref="FfnMode.Ffn"/>.</param>
    /// <exception cref="ArgumentException">A token's logits are not all finite.</exception>
    public double[] Run(FfnMode mode, double[] x, double[] residual) =>
        Finish(mode, residual, Network(mode == FfnMode.Block ? Prologue(x) : x));

    /// <summary>What the network of a block is given: pre(x), or x where the layer has no such norm.</summary>
    public double[] Prologue(double[] x)
    {
        double[] normalized = Normalize(spec.PreNorm, FfnTensorRole.PreNormWeight, FfnTensorRole.PreNormBias, x);
        if (trace?.Normalized is { } traced)
        {
            WideRows.Round(normalized, traced);
        }

        return normalized;
    }

    /// <summary>FFN(x): the stages one after the other, or the experts with their results combined, times the layer's factor.</summary>
    public double[] Network(double[] x)
    {
        double[] y = spec.Mixture is null
            ? _network.Run(spec.Stages, x, FfnTensor.NoExpert, trace)
            : new Float64Mixture(spec, _network).Run(x, Route(x), tokens);
        return spec.OutputFactor == 1 ? y : Array.ConvertAll(y, value => value * spec.OutputFactor);
    }

    /// <summary>What follows the network: branch norm, residual and post norm, as far as the mode and the layer have them.</summary>
    public double[] Finish(FfnMode mode, double[] residual, double[] branch)
    {
        if (mode != FfnMode.Block)
        {
            return mode == FfnMode.Ffn ? branch : Sum(residual, 1, branch);
        }

        BlockForm form = spec.BlockForm;
        if (form.ResidualIsNormed)
        {
            residual = Normalize(spec.PreNorm, FfnTensorRole.PreNormWeight, FfnTensorRole.PreNormBias, residual);
        }

        branch = Normalize(spec.BranchNorm, FfnTensorRole.BranchNormWeight, FfnTensorRole.BranchNormBias, branch);
        float[] scale = _network.ReadVector(new TensorKey(FfnTensorRole.BranchScale));
        branch = [.. branch.Select((value, i) => value * form.BranchFactor * (scale.Length == 0 ? 1 : scale[i % scale.Length]))];
        return Normalize(
            spec.PostNorm, FfnTensorRole.PostNormWeight, FfnTensorRole.PostNormBias, Sum(residual, form.ResidualFactor, branch));
    }

    /// <summary>Where a mixture sends each row.</summary>
    /// <exception cref="ArgumentException">A token's logits are not all finite.</exception>
    public Float64Route[] Route(double[] x)
    {
        Float64Route[] routes = new Float64Mixture(spec, _network).Route(x);
        if (trace?.Routing is { } traced)
        {
            int topK = spec.Mixture!.TopK;
            for (int token = 0; token < routes.Length; token++)
            {
                routes[token].Experts.CopyTo(traced.Experts, token * topK);
                WideRows.Round(routes[token].Weights, traced.Weights.AsSpan(token * topK, topK));
                WideRows.Round(routes[token].Scores, traced.Scores.AsSpan(token * traced.Mixture.Experts, traced.Mixture.Experts));
            }
        }

        return routes;
    }

    private double[] Sum(double[] left, double factor, double[] right)
    {
        long start = Stopwatch.GetTimestamp();
        double[] sum = new double[left.Length];
        for (int i = 0; i < sum.Length; i++)
        {
            sum[i] = (factor * left[i]) + right[i];
        }

        _network.AddTime(FfnStep.Residual, start);
        return sum;
    }

    private double[] Normalize(NormSpec? norm, FfnTensorRole weightRole, FfnTensorRole biasRole, double[] rows)
    {
        if (norm is null)
        {
            return rows;
        }

        long start = Stopwatch.GetTimestamp();
        float[] weight = _network.ReadVector(new TensorKey(weightRole));
        float[] bias = _network.ReadVector(new TensorKey(biasRole));
        double[] normalized = [.. rows];
        for (int first = 0; first < rows.Length; first += spec.InputWidth)
        {
            Float64Rows.Normalize(norm, normalized.AsSpan(first, spec.InputWidth), weight, bias);
        }

        _network.AddTime(FfnStep.Norm, start);
        return normalized;
    }
}
