using System.Collections.Immutable;
using static NativeFfn.Checkpoints.Families.FamilyNorm;
using static NativeFfn.Checkpoints.Families.StoredProjections;

namespace NativeFfn.Checkpoints.Families;

/// <summary>The families with mixtures of experts, in all layers or in some.</summary>
internal static class MixtureFamilies
{
    /// <summary>Nemotron-H: experts without a gate, beside layers that are something else.</summary>
    public static FamilyMixture NemotronH { get; } = new()
    {
        ExpertsKey = "n_routed_experts",
        Routing = new(1, 1) { Scoring = RouterScoring.Sigmoid },
        Renormalize = new(true, "norm_topk_prob"),
        SelectionBias = "mixer.gate.e_score_correction_bias",
        Groups = new(1, "n_group"),
        TopGroups = new(1, "topk_group"),
        Scaling = new(1, "routed_scaling_factor"),
        Experts = [new("mixer.gate", Plain("mixer.experts.{0}.", "up_proj", "down_proj"))],
        SharedDFf = new(0, "moe_shared_expert_intermediate_size"),
        Shared = Plain("mixer.shared_experts.", "up_proj", "down_proj"),
        Sparse = SparseLayers.ByFile,
    };

    private static readonly FfnFamily Llama = LlamaFamilies.Llama with { Bias = new(false) };

    private static readonly FfnFamily Llama5 = Llama.WithEpsilon(1e-5f);

    private static readonly FamilyMixture Qwen = new()
    {
        Renormalize = new(false, "norm_topk_prob"),
        Shared = StoredProjections.Llama("mlp.shared_expert."),
        SharedGate = "mlp.shared_expert_gate",
        Sparse = SparseLayers.LastOfEveryStep,
    };

    private static readonly FamilyMixture GatedShared = Qwen with { SharedDFf = new(null, "shared_expert_intermediate_size") };

    // Version 5 of transformers and older ones stack in two orders; where both fit, the newer one is meant, as there.
    private static readonly ImmutableArray<ExpertForm> EitherStack =
    [
        ExpertForm.Stacked,
        new("mlp.gate", Stacked("mlp.experts.gate_up_proj", "mlp.experts.down_proj").Transposed()),
        ExpertForm.OneByOne,
    ];

    // Jiang et al. 2024.
    private static readonly FamilyMixture Mixtral = new()
    {
        ExpertsKey = "num_local_experts",
        ExpertsAlias = "num_experts",
        DFfKey = "intermediate_size",
        Experts = [ExpertForm.Mixtral("block_sparse_moe.gate", "block_sparse_moe.experts."), ExpertForm.Stacked],
    };

    // DeepSeek-V3 (2024, section 2.1.2).
    private static readonly FamilyMixture DeepSeek = new()
    {
        ExpertsKey = "n_routed_experts",
        Routing = new(1, 1) { Scoring = RouterScoring.Sigmoid },
        Renormalize = new(true, "norm_topk_prob"),
        SelectionBias = "mlp.gate.e_score_correction_bias",
        Groups = new(8, "n_group"),
        TopGroups = new(4, "topk_group"),
        Scaling = new(2.5f, "routed_scaling_factor"),
        SharedCount = new(null, "n_shared_experts"),
        Shared = StoredProjections.Llama("mlp.shared_experts."),
        Sparse = SparseLayers.AfterTheDense,
    };

    private static readonly FamilyMixture OneGroup = DeepSeek with
    {
        Groups = new(1, "n_group"),
        TopGroups = new(1, "topk_group"),
        Scaling = new(1, "routed_scaling_factor"),
        SharedCount = new(1, "n_shared_experts"),
    };

    private static readonly FamilyMixture Granite = new()
    {
        ExpertsKey = "num_local_experts",
        ExpertsAlias = "num_experts",
        DFfKey = "intermediate_size",
        Experts =
        [
            new("block_sparse_moe.router.layer", Stacked("block_sparse_moe.input_linear", "block_sparse_moe.output_linear").OfModules()),
        ],
        SharedDFf = new(0, "shared_intermediate_size"),
        Shared = Fused("shared_mlp.", "input_linear", "output_linear"),
    };

    private static readonly FfnFamily GraniteMoe = Llama with { Block = new() { BranchFactor = new(1, "residual_multiplier") } };

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> All { get; } =
    [
        Llama5.For("mixtral") with { Mixture = Mixtral },
        Llama.For("minimax_m2") with
        {
            Mixture = Mixtral with
            {
                Routing = new(1, 1) { Scoring = RouterScoring.Sigmoid },
                SelectionBias = "block_sparse_moe.e_score_correction_bias",
                SelectionBiasIsOptional = true,
            },
        },
        Llama5.For("minimax") with
        {
            Mixture = Mixtral,
            Block = new()
            {
                ResidualIsNormed = new(true),
                ResidualFactor = new(1, "mlp_alpha_factor|layernorm_mlp_alpha"),
                BranchFactor = new(1, "mlp_beta_factor|layernorm_mlp_beta"),
            },
        },

        // One expert after the other is chosen, and weighed among those that came near it.
        Llama5.For("phimoe") with
        {
            PreNorm = Layer("post_attention_layernorm"),
            Mixture = Mixtral with
            {
                Routing = new(1, 1) { Scoring = RouterScoring.SparseMixer }, Renormalize = new(false),
                Jitter = new(0.01f, "router_jitter_noise"),
            },
        },
        Llama.For("qwen2_moe") with { Mixture = GatedShared },
        Llama.For("qwen3_moe", "rnd1") with { Mixture = Qwen },
        Llama.For("qwen3_omni_moe_text") with { Mixture = Qwen with { Renormalize = new(true, "norm_topk_prob") } },
        Llama.For("qwen3_omni_moe_talker_text") with { Mixture = GatedShared },
        Llama.For("llada_moe") with { Mixture = Qwen with { DFfKey = "expert_intermediate_size|moe_intermediate_size" } },
        Llama.For("qwen3_next") with
        {
            PreNorm = RmsOnePlus("post_attention_layernorm"), MlxAddsOne = true,
            Mixture = GatedShared with { Renormalize = new(true, "norm_topk_prob") },
        },
        Llama.For("qwen3_5_moe_text") with
        {
            PreNorm = RmsOnePlus("post_attention_layernorm"), MlxAddsOne = true,
            Mixture = GatedShared with { Renormalize = new(true), Sparse = null, Experts = [ExpertForm.Stacked, ExpertForm.OneByOne] },
        },
        Llama.For("qwen3_vl_moe_text") with { Mixture = Qwen with { Renormalize = new(true), Experts = EitherStack } },
        Llama5.For("olmoe") with { Mixture = Qwen with { DFfKey = "intermediate_size", Sparse = null } },
        Llama.For("flex_olmo") with
        {
            PreNorm = null, BranchNorm = Rms("post_feedforward_layernorm"),
            Mixture = Qwen with { DFfKey = "intermediate_size", Sparse = null },
        },
        Llama.For("mellum") with { Mixture = Qwen with { Renormalize = new(true, "norm_topk_prob") } },
        .. DeepSeekKin,
        .. MoreMixtureFamilies.All,
        GraniteMoe.For("granitemoe", "granitemoe_swa") with { Mixture = Granite },
        GraniteMoe.For("granitemoeshared", "granitemoehybrid") with
        {
            Mixture = Granite,
            Adapt = static (family, config) => config.Has("num_local_experts") && config.Count("num_local_experts") == 0
                ? family with { Mixture = null, DFfKey = "shared_intermediate_size",
                    Projections = Fused("shared_mlp.", "input_linear", "output_linear") }
                : family,
        },
    ];

    private static IEnumerable<FfnFamily> DeepSeekKin =>
    [
        Llama.For("deepseek_v3", "deepseek_v32", "kimi_k2", "youtu") with
        {
            Only = [new("sigmoid", "scoring_func"), new("noaux_tc", "topk_method")], Mixture = DeepSeek,
        },
        Llama.For("axk1") with
        {
            Mixture = DeepSeek with { SharedCount = new(1, "n_shared_experts"), BranchNorm = Rms("post_mlp_layernorm") },
        },
        Llama5.For("glm4_moe", "glm4v_moe_text") with { Mixture = OneGroup },
        Llama5.For("glm4_moe_lite") with { Mixture = OneGroup with { Scaling = new(1.8f, "routed_scaling_factor") } },
        Llama5.For("glm_moe_dsa") with { Mixture = OneGroup with { Scaling = new(2.5f, "routed_scaling_factor") } },
        Llama.For("dots1") with { Mixture = OneGroup with { Renormalize = new(false, "norm_topk_prob") } },
        Llama5.For("solar_open") with { Mixture = OneGroup with { Sparse = null } },
        Llama5.For("mimo_v2_flash", "mimo_v2") with
        {
            Mixture = OneGroup with { SharedCount = null, Shared = null, Sparse = SparseLayers.OfFlags },
        },
        Llama5.For("exaone_moe") with
        {
            Mixture = OneGroup with
            {
                ExpertsKey = "num_experts", SelectionBias = "mlp.e_score_correction_bias", Scaling = new(2.5f, "routed_scaling_factor"),
                SharedCount = new(1, "num_shared_experts"),
            },
        },
        Llama.For("mistral4") with
        {
            Mixture = OneGroup with
            {
                Routing = new(1, 1) { MasksWithZero = true },
                SelectionBias = null,
                Experts = [ExpertForm.Stacked, ExpertForm.OneByOne],
            },
        },
        Llama.For("deepseek") with
        {
            Mixture = OneGroup with
            {
                Routing = new(1, 1), SelectionBias = null, Groups = new(1), TopGroups = new(1), Scaling = new(1),
                Renormalize = new(false, "norm_topk_prob"), SharedCount = new(0, "n_shared_experts"),
            },
        },
        Llama.For("deepseek_v2", "deepseek_ocr2_text") with { Adapt = DeepSeekV2, Mixture = OneGroup },
    ];

    // Version 2: a softmax, whose groups, where they count, are as good as their best expert.
    private static FfnFamily DeepSeekV2(FfnFamily family, CheckpointConfig config)
    {
        const string key = "topk_method";
        string method = config.Text(key, "greedy");
        config.RequireText("scoring_func", "softmax");
        if (method is not ("greedy" or "group_limited_greedy"))
        {
            throw config.Wrong(key, $"{CheckpointText.Quote(method)}; supported are 'greedy' and 'group_limited_greedy'");
        }

        bool grouped = method != "greedy";
        return family with
        {
            Mixture = OneGroup with
            {
                Routing = new(1, 1) { GroupScoring = GroupScoring.Best, MasksWithZero = true },
                Renormalize = new(false),
                SelectionBias = null,
                Groups = grouped ? new(1, "n_group") : new(1),
                TopGroups = grouped ? new(1, "topk_group") : new(1),
                SharedCount = new(0, "n_shared_experts"),
            },
        };
    }
}
