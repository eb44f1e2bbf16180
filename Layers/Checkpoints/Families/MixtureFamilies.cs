using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>The families with mixtures of experts, in all layers or in some.</summary>
internal static class MixtureFamilies
{
    private static readonly FamilyMixture Qwen = new()
    {
        ExpertsKey = "num_experts",
        ExpertsAlias = "num_local_experts",
        Renormalize = new(false, "norm_topk_prob"),
        Shared = StoredProjections.Llama("mlp.shared_expert."),
        SharedGate = "mlp.shared_expert_gate",
        Sparse = LastOfEveryStep,
    };

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> All { get; } =
    [
        // Jiang et al. 2024. The names are the first LLaMA's: w1 is the gate, w3 is up and w2 is down.
        new("mixtral")
        {
            PreNorm = DenseFamilies.LlamaNorm with { Epsilon = new(1e-5f, "rms_norm_eps") },
            Mixture = new()
            {
                ExpertsKey = "num_local_experts",
                ExpertsAlias = "num_experts",
                DFfKey = "intermediate_size",
                Experts =
                [
                    new("block_sparse_moe.gate", new(
                        new("block_sparse_moe.experts.{0}.w1"), new("block_sparse_moe.experts.{0}.w3"), new("block_sparse_moe.experts.{0}.w2"))),
                    ExpertForm.Stacked,
                ],
            },
        },
        new("qwen2_moe") { PreNorm = DenseFamilies.LlamaNorm, Mixture = Qwen with { SharedDFfKey = "shared_expert_intermediate_size" } },
        new("qwen3_moe") { PreNorm = DenseFamilies.LlamaNorm, Mixture = Qwen },

        // DeepSeek-V3 (2024, section 2.1.2). Version 2 had other ways to score and to choose, under the same keys.
        new("deepseek_v3")
        {
            Only = [new("sigmoid", "scoring_func"), new("noaux_tc", "topk_method")],
            PreNorm = DenseFamilies.LlamaNorm,
            Mixture = new()
            {
                ExpertsKey = "n_routed_experts",
                ExpertsAlias = "num_local_experts",
                Scoring = RouterScoring.Sigmoid,
                Renormalize = new(true, "norm_topk_prob"),
                HasSelectionBias = true,
                Groups = new(8, "n_group"),
                TopGroups = new(4, "topk_group"),
                Scaling = new(2.5f, "routed_scaling_factor"),
                SharedCountKey = "n_shared_experts",
                Shared = StoredProjections.Llama("mlp.shared_experts."),
                Sparse = AfterTheDense,
            },
        },
    ];

    // "Step" counts from the end of a group: of every so many layers the last is a mixture.
    private static Func<int, bool> LastOfEveryStep(CheckpointConfig config)
    {
        int step = config.Size("decoder_sparse_step", 1);
        HashSet<int> denseOnly = [.. config.Counts("mlp_only_layers")];
        return layer => (layer + 1) % step == 0 && !denseOnly.Contains(layer);
    }

    private static Func<int, bool> AfterTheDense(CheckpointConfig config)
    {
        int firstSparse = config.Count("first_k_dense_replace", 3);
        int step = config.Size("moe_layer_freq", 1);
        return layer => layer >= firstSparse && layer % step == 0;
    }
}
