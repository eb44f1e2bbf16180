using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>
/// DeepSeek-V3 (2024, section 2.1.2): dense layers first, then mixtures whose experts have scores by sigmoid, are chosen by group with a
/// bias for the choice alone, and stand beside an ungated shared expert.
/// </summary>
internal static class DeepSeekFamily
{
    public static FfnFamily DeepSeekV3 { get; } = new("deepseek_v3", Read);

    private static FamilyLayout Read(CheckpointConfig config)
    {
        // Version 2 had other ways to score and to choose, under the same keys.
        config.RequireText("scoring_func", "sigmoid");
        config.RequireText("topk_method", "noaux_tc");
        var kind = new FfnKind(Gated: true, ActivationNames.Read(config, "hidden_act", "silu"));
        int dModel = config.Size("hidden_size");
        int expertDFf = config.Size("moe_intermediate_size");
        int experts = MixtureFamily.Experts(config, "n_routed_experts", "num_local_experts");
        FfnSpec dense = FfnFamily.Spec(config, kind, dModel, config.Size("intermediate_size"), bias: false);
        FfnSpec sparse = MixtureFamily.Spec(
            config,
            FfnFamily.Spec(config, kind, dModel, expertDFf, bias: false),
            new MixtureSpec(experts, config.Size("num_experts_per_tok"))
            {
                Scoring = RouterScoring.Sigmoid,
                Renormalize = config.Flag("norm_topk_prob", absent: true),
                HasSelectionBias = true,
                Groups = config.Size("n_group", 8),
                TopGroups = config.Size("topk_group", 4),
                Scaling = config.Factor("routed_scaling_factor", 2.5f),
            },
            (long)expertDFf * config.Count("n_shared_experts"));

        ImmutableArray<StoredNetwork> denseForms = [new DenseNetwork(dense, StoredProjections.Llama("mlp."))];
        var oneByOne = new MixtureNetwork(sparse)
        {
            Router = "mlp.gate",
            Expert = MixtureFamily.OneByOne("mlp.experts."),
            Shared = StoredProjections.Llama("mlp.shared_experts."),
        };
        ImmutableArray<StoredNetwork> sparseForms = [oneByOne, oneByOne with { Expert = MixtureFamily.Stacked("mlp.experts.", experts) }];
        int firstSparse = config.Count("first_k_dense_replace", 3);
        int step = config.Size("moe_layer_freq", 1);
        return MixtureFamily.Layout(config, epsilon: 1e-6f, layer => layer >= firstSparse && layer % step == 0 ? sparseForms : denseForms);
    }
}
