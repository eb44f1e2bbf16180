namespace NativeFfn;

/// <summary>The tensors that a layer's weights consist of, with their names: stages or a mixture, the inner norm, then what a block has.</summary>
internal static class FfnTensorList
{
    /// <summary>Every tensor, in order.</summary>
    public static IEnumerable<FfnTensor> Of(FfnSpec spec) =>
        (spec.Mixture is { } mixture ? OfMixture(spec, mixture) : OfStages(spec)).Concat(OfNorms(spec)).Concat(OfBlock(spec));

    private static IEnumerable<FfnTensor> OfMixture(FfnSpec spec, MixtureSpec mixture)
    {
        yield return new FfnTensor(FfnTensorRole.RouterWeight, 0, "router.weight", mixture.Experts, spec.InputWidth);
        if (mixture.HasRouterBias)
        {
            yield return new FfnTensor(FfnTensorRole.RouterBias, 0, "router.bias", 1, mixture.Experts);
        }

        if (mixture.HasSelectionBias)
        {
            yield return new FfnTensor(FfnTensorRole.RouterSelectionBias, 0, "router.selection_bias", 1, mixture.Experts);
        }

        for (int expert = mixture.FirstOwnExpert; expert < mixture.FirstOwnExpert + mixture.OwnExperts; expert++)
        {
            foreach (FfnTensor tensor in OfStages(spec))
            {
                yield return tensor with { Name = $"experts.{expert}.{tensor.Name}", Expert = expert };
            }
        }

        if (mixture.HasOutputBias)
        {
            yield return new FfnTensor(FfnTensorRole.MixtureBias, 0, "mixture.bias", 1, spec.OutputWidth);
        }

        if (mixture.HasSharedGate)
        {
            yield return new FfnTensor(FfnTensorRole.SharedGateWeight, 0, "shared_gate.weight", 1, spec.InputWidth);
        }

        foreach (FfnTensor tensor in spec.ExpertSpec(FfnTensor.SharedExpert)?.Tensors ?? [])
        {
            yield return tensor with { Name = "shared." + tensor.Name, Expert = FfnTensor.SharedExpert };
        }
    }

    private static IEnumerable<FfnTensor> OfStages(FfnSpec spec)
    {
        for (int i = 0; i < spec.Stages.Length; i++)
        {
            FfnStage stage = spec.Stages[i];
            string activated = NameOfStage(spec, i);
            yield return new FfnTensor(FfnTensorRole.Weight, i, activated + ".weight", stage.Width, stage.InputWidth);
            if (stage.HasBias)
            {
                yield return new FfnTensor(FfnTensorRole.Bias, i, activated + ".bias", 1, stage.Width);
            }

            if (stage.Kind.Gated)
            {
                string up = spec.IsFeedForward ? "up" : activated + ".up";
                yield return new FfnTensor(FfnTensorRole.UpWeight, i, up + ".weight", stage.Width, stage.InputWidth);
                if (stage.HasBias)
                {
                    yield return new FfnTensor(FfnTensorRole.UpBias, i, up + ".bias", 1, stage.Width);
                }
            }
        }
    }

    private static IEnumerable<FfnTensor> OfNorms(FfnSpec spec)
    {
        (NormSpec? Norm, string Name, FfnTensorRole Weight, FfnTensorRole Bias, int Width)[] norms =
        [
            (spec.InnerNorm, "inner_norm", FfnTensorRole.InnerNormWeight, FfnTensorRole.InnerNormBias, spec.DFf),
            (spec.PreNorm, "pre_norm", FfnTensorRole.PreNormWeight, FfnTensorRole.PreNormBias, spec.InputWidth),
            (spec.BranchNorm, "branch_norm", FfnTensorRole.BranchNormWeight, FfnTensorRole.BranchNormBias, spec.InputWidth),
            (spec.PostNorm, "post_norm", FfnTensorRole.PostNormWeight, FfnTensorRole.PostNormBias, spec.InputWidth),
        ];
        foreach ((NormSpec? norm, string name, FfnTensorRole weight, FfnTensorRole bias, int width) in norms)
        {
            if (norm is { HasWeight: true })
            {
                yield return new FfnTensor(weight, 0, name + ".weight", 1, width);
            }

            if (norm is { HasBias: true })
            {
                yield return new FfnTensor(bias, 0, name + ".bias", 1, width);
            }
        }
    }

    private static IEnumerable<FfnTensor> OfBlock(FfnSpec spec) => spec.BlockForm.HasBranchScale
        ? [new FfnTensor(FfnTensorRole.BranchScale, 0, "branch_scale", 1, spec.OutputWidth)]
        : [];

    // A transformer's names where they apply: the activated projection is the gate of a gated layer, the up of a plain one.
    private static string NameOfStage(FfnSpec spec, int index) =>
        !spec.IsFeedForward ? $"layers.{index}"
        : index == 1 ? "down"
        : spec.Kind.Gated ? "gate" : "up";
}
