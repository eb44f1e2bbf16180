using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>
/// Qwen2-MoE and Qwen3-MoE: a softmax of all experts, renormalised only where the configuration says so, in all layers or in some of
/// them; Qwen2 has a shared expert with a gate beside.
/// </summary>
internal static class QwenMoeFamily
{
    public static FfnFamily Qwen2Moe { get; } = new("qwen2_moe", static config => Read(config, config.Size("shared_expert_intermediate_size")));

    public static FfnFamily Qwen3Moe { get; } = new("qwen3_moe", static config => Read(config, sharedDFf: 0));

    private static FamilyLayout Read(CheckpointConfig config, int sharedDFf)
    {
        var kind = new FfnKind(Gated: true, ActivationNames.Read(config, "hidden_act", "silu"));
        int dModel = config.Size("hidden_size");
        int experts = MixtureFamily.Experts(config, "num_experts", "num_local_experts");
        FfnSpec dense = FfnFamily.Spec(config, kind, dModel, config.Size("intermediate_size"), bias: false);
        FfnSpec sparse = MixtureFamily.Spec(
            config,
            FfnFamily.Spec(config, kind, dModel, config.Size("moe_intermediate_size"), bias: false),
            new MixtureSpec(experts, config.Size("num_experts_per_tok"))
            {
                Scoring = RouterScoring.Softmax,
                Renormalize = config.Flag("norm_topk_prob", absent: false),
                HasSharedGate = sharedDFf > 0,
            },
            sharedDFf);

        ImmutableArray<StoredNetwork> denseForms = [new DenseNetwork(dense, StoredProjections.Llama("mlp."))];
        var oneByOne = new MixtureNetwork(sparse)
        {
            Router = "mlp.gate",
            Expert = MixtureFamily.OneByOne("mlp.experts."),
            Shared = StoredProjections.Llama("mlp.shared_expert."),
            SharedGate = "mlp.shared_expert_gate",
        };
        ImmutableArray<StoredNetwork> sparseForms = [oneByOne, oneByOne with { Expert = MixtureFamily.Stacked("mlp.experts.", experts) }];

        // "Step" counts from the end of a group: of every so many layers the last is a mixture.
        int step = config.Size("decoder_sparse_step", 1);
        HashSet<int> denseOnly = [.. config.Counts("mlp_only_layers")];
        return MixtureFamily.Layout(
            config, epsilon: 1e-6f, layer => (layer + 1) % step == 0 && !denseOnly.Contains(layer) ? sparseForms : denseForms);
    }
}
