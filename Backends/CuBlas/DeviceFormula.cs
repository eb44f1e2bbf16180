namespace NativeFfn.Backends.CuBlas;

/// <summary>The parts of a layer's formula that the kernels do not compute.</summary>
internal static class DeviceFormula
{
    /// <summary>Why a layer cannot run, naming the first such part; null where it can.</summary>
    public static string? WhyNot(FfnSpec spec) =>
        (OfNetwork(spec) ?? OfBlock(spec.BlockForm) ?? (spec.Mixture is { } mixture ? OfMixture(spec, mixture) : null)) is { } part
            ? $"a GPU computes no {part} yet. Use mkl or managed."
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
        : mixture.HasOutputBias ? "bias on a mixture's sum"
        : mixture.WeighsInput ? "mixture whose weights multiply its experts' input"
        : null;
}
