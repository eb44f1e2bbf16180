namespace NativeFfn;

/// <summary>What a backend that knows the plain formula alone says of a layer that has more.</summary>
internal static class PlainFormula
{
    /// <summary>The first part of a layer's formula that is not plain, in a sentence; null where all is.</summary>
    public static string? WhyNot(FfnSpec spec) =>
        (OfNetwork(spec) ?? OfBlock(spec.BlockForm) ?? (spec.Mixture is { } mixture ? OfMixture(spec, mixture) : null)) is { } part
            ? $"it has no {part}. Use mkl or managed."
            : null;

    private static string? OfNetwork(FfnSpec spec) =>
        spec.InnerNorm is not null ? "norm on the hidden row"
        : spec.FinishesHiddenRows ? "sparsity of hidden rows"
        : spec.OutputFactor != 1 ? "factor on a network's result"
        : null;

    private static string? OfBlock(BlockForm form) =>
        form.HasBranchScale ? "learned scale of a block's branch"
        : form.BranchFactor != 1 ? "factor on a block's branch"
        : form.ResidualFactor != 1 ? "factor on a block's residual"
        : form.ResidualIsNormed ? "normed residual"
        : null;

    private static string? OfMixture(FfnSpec spec, MixtureSpec mixture) =>
        spec.BranchNorm is not null ? "norm on a mixture's result"
        : spec.PostNorm is not null ? "norm after a mixture"
        : mixture.HasRouterBias ? "bias of a router"
        : mixture.HasOutputBias ? "bias on a mixture's sum"
        : mixture.WeighsInput ? "mixture whose weights multiply its experts' input"
        : mixture.SharedFactor != 1 ? "factor on a shared expert"
        : mixture.Scoring > RouterScoring.Sigmoid ? $"router scoring {mixture.Scoring}"
        : mixture.LogitSoftcap != 0 ? "softcap of a router's logits"
        : mixture.RenormalizeEpsilon != 1e-20f || mixture.SmallestSum != 0 ? "bound of a sum of weights"
        : mixture.GroupScoring != GroupScoring.SumOfTwoBest || mixture.MasksWithZero ? "choice of groups as DeepSeek-V2's"
        : null;
}
