using System.Collections.Immutable;
using static NativeFfn.Checkpoints.Families.FamilyNorm;
using static NativeFfn.Checkpoints.Families.StoredProjections;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Mixtures of experts whose names, stacks or routers are their own.</summary>
internal static class MoreMixtureFamilies
{
    private static readonly FfnFamily Llama = LlamaFamilies.Llama with { Bias = new(false) };

    private static readonly FfnFamily Llama5 = Llama.WithEpsilon(1e-5f);

    private static readonly MixtureSpec Sigmoid = new(1, 1) { Scoring = RouterScoring.Sigmoid };

    private static readonly ExpertForm RouterGate = ExpertForm.OneByOne with { Router = "mlp.router.gate" };

    private static readonly FamilyMixture Bailing = new()
    {
        Renormalize = new(true, "norm_topk_prob"),
        SharedCount = new(0, "num_shared_experts"),
        Shared = StoredProjections.Llama("mlp.shared_experts."),
        Sparse = SparseLayers.AfterTheDense,
    };

    // gpt-oss stacks experts with the rows of gate and up by turns, and its format of 4 bits does so without turning the matrices.
    private static readonly StoredProjections OssBlocks = new StoredProjections(
        StoredProjection.Stack("mlp.experts.gate_up_proj", ProjectionPart.Even),
        StoredProjection.Stack("mlp.experts.gate_up_proj", ProjectionPart.Odd),
        StoredProjection.Stack("mlp.experts.down_proj"))
        .With(static projection => projection with { WeightEnding = "_blocks" });

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> All { get; } =
    [
        Llama5.For("hy_v3") with
        {
            Mixture = new()
            {
                Routing = Sigmoid, SelectionBias = "mlp.expert_bias", Scaling = new(2.826f, "router_scaling_factor"),
                Experts = [RouterGate],
                SharedCount = new(1, "num_shared_experts"), Shared = StoredProjections.Llama("mlp.shared_mlp."),
                Sparse = SparseLayers.AfterTheDense,
            },
        },
        Llama5.For("afmoe") with
        {
            PreNorm = Rms("pre_mlp_layernorm"),
            BranchNorm = Rms("post_mlp_layernorm"),
            Only = [new("sigmoid", "score_func")],
            Mixture = new()
            {
                Routing = Sigmoid, SelectionBias = "mlp.expert_bias", Renormalize = new(true, "route_norm"),
                Scaling = new(1, "route_scale"),
                Experts = [RouterGate], SharedCount = new(0, "num_shared_experts"), Shared = StoredProjections.Llama("mlp.shared_experts."),
                Sparse = SparseLayers.AfterTheFirst,
            },
        },
        Llama.For("bailing_moe") with { Mixture = Bailing },
        Llama.For("bailing_moe_v2", "bailing_moe_linear") with
        {
            Only = [new("sigmoid", "score_function")],
            Mixture = Bailing with
            {
                Routing = Sigmoid, SelectionBias = "mlp.gate.expert_bias", SelectionBiasIsOptional = true, Groups = new(1, "n_group"),
                TopGroups = new(1, "topk_group"), Scaling = new(1, "routed_scaling_factor"),
            },
        },
        Llama.For("laguna") with
        {
            Mixture = new()
            {
                Routing = Sigmoid, SelectionBias = "mlp.experts.e_score_correction_bias", Scaling = new(1, "moe_routed_scaling_factor"),
                LogitSoftcap = new(0, "moe_router_logit_softcapping"), SharedDFf = new(null, "shared_expert_intermediate_size"),
                Shared = StoredProjections.Llama("mlp.shared_expert."), Sparse = SparseLayers.AfterTheDense,
            },
        },
        Llama5.For("ernie4_5_moe") with
        {
            Bias = new(null, "use_bias"),
            Mixture = new()
            {
                ExpertsKey = "moe_num_experts", ExpertsAlias = null, TopKKey = "moe_k|num_experts_per_tok",
                SelectionBias = "mlp.moe_statics.e_score_correction_bias", SelectionBiasIsRow = true,
                SmallestSum = new(1e-12f, "moe_norm_min"),
                SharedCount = new(0, "moe_num_shared_experts"), Shared = StoredProjections.Llama("mlp.shared_experts."),
                Sparse = SparseLayers.OfRange,
            },
        },
        Llama5.For("hunyuan_v1_moe") with
        {
            Mixture = new()
            {
                TopKKey = "moe_topk", DFfKey = "moe_intermediate_size|intermediate_size",
                Experts = [ExpertForm.OneByOne with { Router = "mlp.gate.wg" }],
                SharedCount = new(1, "num_shared_expert"), Shared = StoredProjections.Llama("mlp.shared_mlp."),
            },
            Adapt = static (family, config) => config.Has("use_mixed_mlp_moe") && !config.Flag(new(true, "use_mixed_mlp_moe"))
                ? family with { Mixture = family.Mixture! with { SharedCount = null, Shared = null } }
                : family,
        },
        Llama5.For("lfm2_moe") with
        {
            ActivationKey = null,
            Epsilon = new(1e-5f, "norm_eps"),
            Projections = Gated("feed_forward.", "w1", "w3", "w2"),
            PreNorm = Rms("ffn_norm"),
            Mixture = new()
            {
                Routing = Sigmoid with { RenormalizeEpsilon = 1e-6f }, SelectionBias = "feed_forward.expert_bias",
                SelectionBiasIsOptional = true,
                Renormalize = new(true, "norm_topk_prob"), Scaling = new(1, "routed_scaling_factor"),
                Experts = [ExpertForm.Mixtral("feed_forward.gate", "feed_forward.experts.")], Sparse = SparseLayers.AfterTheFirst,
            },
        },
        Llama.For("jamba") with
        {
            Projections = StoredProjections.Llama("feed_forward."),
            PreNorm = Rms("pre_ff_layernorm"),
            Mixture = new()
            {
                DFfKey = "intermediate_size", Renormalize = new(false),
                Experts = [new("feed_forward.router", StoredProjections.Llama("feed_forward.experts.{0}."))],
                Sparse = SparseLayers.OfPeriod,
            },
        },
        Llama.For("jetmoe") with
        {
            ActivationKey = "activation_function",
            Mixture = new()
            {
                ExpertsKey = "num_local_experts", ExpertsAlias = "num_experts", DFfKey = "intermediate_size|ffn_hidden_size",
                OutputBias = "mlp.bias",
                Experts = [new("mlp.router.layer", Stacked("mlp.input_linear", "mlp.output_linear").OfModules())],
            },
        },
        Llama.For("aria_text") with
        {
            Mixture = new()
            {
                ExpertsKey = "moe_num_experts", ExpertsAlias = null, TopKKey = "moe_topk", DFfKey = "intermediate_size",
                Experts = [new("mlp.router", Stacked("mlp.experts.fc1", "mlp.experts.fc2").OfModules().Transposed())],
                SharedCount = new(2, "moe_num_shared_experts"), Shared = StoredProjections.Llama("mlp.shared_experts."),
            },
        },

        // Llama 4 weighs what its experts are given and not what they give.
        Llama5.For("llama4_text") with
        {
            DFfKey = "intermediate_size_mlp",
            Projections = StoredProjections.Llama("feed_forward."),
            Mixture = new()
            {
                Routing = Sigmoid with { WeighsInput = true }, Renormalize = new(false), ExpertsKey = "num_local_experts",
                ExpertsAlias = "num_experts",
                DFfKey = "intermediate_size",
                Experts = [new("feed_forward.router",
                    Stacked("feed_forward.experts.gate_up_proj", "feed_forward.experts.down_proj").Transposed())],
                SharedDFf = new(null, "intermediate_size"), Shared = StoredProjections.Llama("feed_forward.shared_expert."),
                Sparse = SparseLayers.OfList,
            },
        },
        Llama5.For("gpt_oss") with
        {
            FixedActivation = Activation.ClampedSilu,
            Parameters = static (config, _) => new(config.Factor("swiglu_limit", 7), config.Factor("swiglu_alpha", 1.702f), UpOffset: 1),
            Mixture = new()
            {
                ExpertsKey = "num_local_experts", ExpertsAlias = "num_experts", DFfKey = "intermediate_size", RouterHasBias = true,
                ExpertsHaveBias = true,
                Experts =
                [
                    new("mlp.router", OssBlocks),
                    new("mlp.router", OssBlocks.With(static projection => projection with { WeightEnding = "", IsTransposed = true })),
                ],
            },
        },

        // Dense layers and experts alike keep gates below a limit and ups within it.
        Llama.For("minimax_m3_vl_text") with
        {
            DFfKey = "dense_intermediate_size",
            FixedActivation = Activation.ClampedSilu,
            Parameters = static (config, _) => new(config.Factor("swiglu_limit", 7), config.Factor("swiglu_alpha", 1.702f), UpOffset: 1),
            PreNorm = RmsOnePlus("post_attention_layernorm"),
            Mixture = new()
            {
                Routing = Sigmoid, ExpertsKey = "num_local_experts", ExpertsAlias = "num_experts", DFfKey = "intermediate_size",
                SelectionBias = "block_sparse_moe.e_score_correction_bias", Scaling = new(2, "routed_scaling_factor"),
                Experts = [ExpertForm.Mixtral("block_sparse_moe.gate", "block_sparse_moe.experts.")],
                SharedDFf = new(null, "shared_intermediate_size"), Shared = StoredProjections.Llama("block_sparse_moe.shared_experts."),
                Sparse = SparseLayers.OfFlags,
            },
        },

        // All experts' rows follow one another, and the matrices back are stored turned.
        new("dbrx")
        {
            DModelKey = "d_model|hidden_size",
            Layers = [new("blocks.{0}.", "n_layers|num_hidden_layers")],
            Prefixes = ["transformer.", ""],
            ActivationKey = "ffn_config.ffn_act_fn.name",
            Epsilon = new(1e-5f),
            PreNorm = LayerWeight("norm_attn_norm.norm_2"),
            Adapt = Dbrx,
            Mixture = new()
            {
                ExpertsKey = "ffn_config.moe_num_experts", ExpertsAlias = null, TopKKey = "ffn_config.moe_top_k",
                DFfKey = "ffn_config.ffn_hidden_size",
                Experts = [new("ffn.router.layer", new(Flat("w1"), Flat("v1"), Flat("w2") with { IsTransposed = true }))],
            },
        },
        Llama.For("cohere2_moe") with
        {
            DFfKey = "prefix_dense_intermediate_size|intermediate_size",
            Epsilon = new(1e-5f, "layer_norm_eps"),
            PreNorm = LayerWeight("input_layernorm"),
            IsParallel = true,
            Adapt = Cohere2,
            Mixture = new()
            {
                DFfKey = "intermediate_size", SharedCount = new(0, "num_shared_experts"),
                Shared = StoredProjections.Llama("mlp.shared_experts."), Sparse = SparseLayers.AfterTheDense,
            },
        },
        Llama.For("kimi_linear") with
        {
            Mixture = new()
            {
                Routing = Sigmoid, TopKKey = "num_experts_per_token|num_experts_per_tok",
                SelectionBias = "block_sparse_moe.gate.e_score_correction_bias", Renormalize = new(true, "moe_renormalize"),
                Groups = new(1, "num_expert_group"), TopGroups = new(1, "topk_group"), Scaling = new(1, "routed_scaling_factor"),
                Experts = [ExpertForm.Mixtral("block_sparse_moe.gate", "block_sparse_moe.experts.")],
                SharedCount = new(0, "num_shared_experts"), Shared = StoredProjections.Llama("block_sparse_moe.shared_experts."),
                Sparse = SparseLayers.AfterTheDense,
            },
        },
    ];

    // The choice is by a softmax over the chosen, or by sigmoids; the shared expert is added, or averaged with the others' sum.
    private static FfnFamily Cohere2(FfnFamily family, CheckpointConfig config)
    {
        string scoring = OneOf(config, "expert_selection_fn", "softmax", "sigmoid");
        bool averages = OneOf(config, "shared_expert_combination_strategy", "average", "sum") == "average"
            && config.Count("num_shared_experts", 0) > 0;
        float share = averages ? 0.5f : 1;
        return family with
        {
            PreNorm = config.Has("rms_norm_eps") ? Rms("input_layernorm") with { Epsilon = new(0, "rms_norm_eps") } : family.PreNorm,
            Mixture = family.Mixture! with
            {
                Routing = (scoring == "sigmoid" ? Sigmoid : new(1, 1)) with { SharedFactor = share },
                Renormalize = scoring == "sigmoid" ? new(true, "norm_topk_prob") : new(true),
                Scaling = new(share),
            },
        };
    }

    // The first is meant where the key is absent.
    private static string OneOf(CheckpointConfig config, string key, string first, string second)
    {
        string text = config.Text(key, first);
        return text == first || text == second
            ? text
            : throw config.Wrong(key, $"{CheckpointText.Quote(text)}; supported are '{first}' and '{second}'");
    }

    private static StoredProjection Flat(string name) => StoredProjection.Stack("ffn.experts.mlp." + name) with { IsFlat = true };

    // The weights of the chosen are divided by a norm of them: 1 is their sum, and null none.
    private static FfnFamily Dbrx(FfnFamily family, CheckpointConfig config)
    {
        const string key = "ffn_config.moe_normalize_expert_weights";
        float norm = config.Has("ffn_config.moe_num_experts") && !config.Has(key) ? 0 : config.Factor(key, 1);
        return norm is 0 or 1
            ? family with { Mixture = family.Mixture! with { Renormalize = new(norm == 1) } }
            : throw config.Wrong(key, $"{norm}; supported is 1 alone");
    }
}
