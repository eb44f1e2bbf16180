using System.Collections.Immutable;
using static NativeFfn.Tests.Checkpoints.Stated.StatedMixtures;

namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>Mixtures of experts whose names, stacks or routers are their own.</summary>
internal static class StatedMoreMixtures
{
    /// <summary>Every form.</summary>
    public static ImmutableArray<StatedForm> More { get; } =
    [
        // Names and routers of their own.
        Later with
        {
            Types = "hy_v3",
            Router = Bailing with
            {
                Name = "mlp.router.gate", Config = Bailing.Config.Replace("replace=0", "replace=1", StringComparison.Ordinal),
                Score = "sigmoid", ChoiceBias = "mlp.expert_bias", RenormalizesKey = null, Scaling = 2.826f,
                ScalingKey = "router_scaling_factor", Shared = SharedMlp,
            },
        },
        Later with
        {
            Types = "afmoe", Norms = "pre:R:pre_mlp_layernorm branch:R:post_mlp_layernorm",
            Router = Bailing with
            {
                Name = "mlp.router.gate",
                Config = "num_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 num_shared_experts=2 num_dense_layers=1",
                Score = "sigmoid", ChoiceBias = "mlp.expert_bias", RenormalizesKey = "route_norm", ScalingKey = "route_scale",
            },
        },
        new("afmoe")
        {
            Config = "num_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 num_shared_experts=2 num_dense_layers=1",
            Norms = "pre:R:pre_mlp_layernorm branch:R:post_mlp_layernorm",
        },
        Llama with { Types = "bailing_moe", Router = Bailing },
        Llama with
        {
            Types = "bailing_moe_v2 bailing_moe_linear",
            Router = Bailing with
            {
                Config = Bailing.Config + " n_group=2 topk_group=1", Score = "sigmoid", ChoiceBias = "mlp.gate.expert_bias", Groups = "two",
                ScalingKey = "routed_scaling_factor",
            },
        },
        Later with
        {
            Types = "laguna",
            Router = Bailing with
            {
                Config = "num_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 shared_expert_intermediate_size=10 "
                    + "mlp_layer_types=[\"dense\",\"sparse\"]",
                Score = "sigmoid", ChoiceBias = "mlp.experts.e_score_correction_bias", RenormalizesKey = null,
                ScalingKey = "moe_routed_scaling_factor", Shared = SharedExpert, SharedDFf = 10,
            },
        },
        Later with
        {
            Types = "laguna",
            Router = Bailing with
            {
                Config = "num_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 shared_expert_intermediate_size=10 "
                    + "mlp_layer_types=[\"dense\",\"sparse\"] moe_router_logit_softcapping=0.5",
                Score = "sigmoid", ChoiceBias = "mlp.experts.e_score_correction_bias", RenormalizesKey = null, Softcap = 0.5,
                ScalingKey = "moe_routed_scaling_factor", Shared = SharedExpert, SharedDFf = 10,
            },
        },
        Later with
        {
            Types = "ernie4_5_moe",
            Router = new(
                "mlp.gate", "moe_num_experts=4 moe_k=2 moe_intermediate_size=6 moe_num_shared_experts=2 moe_layer_start_index=1")
            {
                ChoiceBias = "mlp.moe_statics.e_score_correction_bias", ChoiceBiasIsRow = true, Shared = SharedExperts, SharedDFf = 12,
            },
        },
        Later with
        {
            Types = "hunyuan_v1_moe",
            Router = new("mlp.gate.wg", "num_experts=4 moe_topk=[1,2] moe_intermediate_size=[3,6] num_shared_expert=[1,2]")
            {
                Shared = SharedMlp, SharedDFf = 12,
            },
        },
        Llama with
        {
            Types = "hunyuan_v1_moe",
            Router = new("mlp.gate.wg", "num_experts=4 moe_topk=2 intermediate_size=6") { Shared = SharedMlp, SharedDFf = 6 },
        },
        Later with
        {
            Types = "lfm2_moe", Net = "g:feed_forward.experts.{e}.w1 u:feed_forward.experts.{e}.w3 d:feed_forward.experts.{e}.w2",
            Norms = "pre:R:ffn_norm", Activation = "silu",
            Router = new("feed_forward.gate", "num_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 num_dense_layers=1")
            {
                Score = "sigmoid", ChoiceBias = "feed_forward.expert_bias", RenormalizesKey = "norm_topk_prob", SumOffset = 1e-6,
                ScalingKey = "routed_scaling_factor",
            },
        },
        Later with
        {
            Types = "jamba", Norms = "pre:R:pre_ff_layernorm",
            Net = "g:feed_forward.experts.{e}.gate_proj u:feed_forward.experts.{e}.up_proj d:feed_forward.experts.{e}.down_proj",
            Router = new(
                "feed_forward.router",
                "num_experts=4 num_experts_per_tok=2 intermediate_size=6 expert_layer_period=2 expert_layer_offset=1")
            {
                Renormalizes = false,
            },
        },
        new("jamba")
        {
            Norms = "pre:R:pre_ff_layernorm", Net = "g:feed_forward.gate_proj u:feed_forward.up_proj d:feed_forward.down_proj",
            Config = "num_experts=4 num_experts_per_tok=2 expert_layer_period=2 expert_layer_offset=1",
        },
        GraniteMoe with { Types = "granitemoe granitemoe_swa" },
        GraniteMoe with { Types = "granitemoe granitemoehybrid", Config = "residual_multiplier=0.22", Branch = 0.22f },
        GraniteMoe with { Types = "granitemoeshared granitemoehybrid", Router = GraniteShared },
        new("granitemoehybrid")
        {
            Net = "gu:shared_mlp.input_linear d:shared_mlp.output_linear", Config = "num_local_experts=0 shared_intermediate_size=12",
        },
        Later with
        {
            Types = "axk1", Router = DeepSeek, Norms = "pre:R:post_attention_layernorm branch:R:post_mlp_layernorm",
        },
        new("axk1")
        {
            Config = "n_routed_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 first_k_dense_replace=1 n_group=2 topk_group=1",
        },
        Llama with { Types = "cohere2_moe", Norms = "pre:Lw:input_layernorm", Router = Cohere },
        Llama with
        {
            Types = "cohere2_moe", Norms = "pre:R:input_layernorm", Config = "rms_norm_eps=0.125", Epsilon = 0.125,
            Router = Cohere with
            {
                Config = Cohere.Config + " expert_selection_fn=\"sigmoid\" num_shared_experts=2", Score = "sigmoid",
                RenormalizesKey = "norm_topk_prob", Shared = SharedExperts, SharedDFf = 12, Scaling = 0.5, SharedFactor = 0.5,
            },
        },
        Llama with
        {
            Types = "cohere2_moe", Norms = "pre:Lw:input_layernorm",
            Router = Cohere with
            {
                Config = Cohere.Config + " num_shared_experts=1 shared_expert_combination_strategy=\"sum\"", Shared = SharedExperts,
            },
        },
        new("cohere2_moe")
        {
            Norms = "pre:Lw:input_layernorm",
            Config = "num_experts=4 num_experts_per_tok=2 intermediate_size=6 prefix_dense_intermediate_size=12 num_shared_experts=1 "
                + "mlp_layer_types=[\"dense\"]",
        },
        Later with
        {
            Types = "minimax_m3_vl_text", Net = W123, Activation = "clamped:7", Norms = "pre:R+1:post_attention_layernorm",
            Router = new("block_sparse_moe.gate", M3)
            {
                Score = "sigmoid", ChoiceBias = "block_sparse_moe.e_score_correction_bias", Scaling = 2, ScalingKey = "routed_scaling_factor",
                SharedDFf = 10,
                Shared = "g:block_sparse_moe.shared_experts.gate_proj u:block_sparse_moe.shared_experts.up_proj "
                    + "d:block_sparse_moe.shared_experts.down_proj",
            },
        },
        new("minimax_m3_vl_text")
        {
            Activation = "clamped:0.5", Norms = "pre:R+1:post_attention_layernorm", Config = M3 + " swiglu_limit=0.5",
        },
        new("jetmoe")
        {
            Net = "Egu:mlp.input_linear Ed:mlp.output_linear",
            Router = new("mlp.router.layer", Granite.Config) { OutputBias = "mlp.bias" },
        },
        new("aria_text")
        {
            Net = "Egu':mlp.experts.fc1 Ed':mlp.experts.fc2",
            Router = new("mlp.router", "moe_num_experts=4 moe_topk=2 intermediate_size=6 moe_num_shared_experts=2")
            {
                Shared = SharedExperts, SharedDFf = 12,
            },
        },
        Later with
        {
            Types = "llama4_text", Net = "Egu':=feed_forward.experts.gate_up_proj Ed':=feed_forward.experts.down_proj",
            Router = new(
                "feed_forward.router", "num_local_experts=4 num_experts_per_tok=1 intermediate_size=6 intermediate_size_mlp=12 "
                    + "interleave_moe_layer_step=2")
            {
                TopK = 1, Score = "sigmoid", Renormalizes = false, WeighsInput = true,
                Shared = "g:feed_forward.shared_expert.gate_proj u:feed_forward.shared_expert.up_proj d:feed_forward.shared_expert.down_proj",
            },
        },
        new("llama4_text")
        {
            Net = "g:feed_forward.gate_proj u:feed_forward.up_proj d:feed_forward.down_proj",
            Config = "num_local_experts=4 num_experts_per_tok=1 intermediate_size=6 intermediate_size_mlp=12 moe_layers=[1]",
        },
        Oss with { Activation = "clamped:7" },
        Oss with { Activation = "clamped:0.5", Config = "swiglu_limit=0.5" },
        Dbrx,
        Later with
        {
            Types = "kimi_linear", Net = W123,
            Router = new(
                "block_sparse_moe.gate", "num_experts=4 num_experts_per_token=2 moe_intermediate_size=6 num_shared_experts=2 "
                    + "first_k_dense_replace=1 num_expert_group=2 topk_group=1")
            {
                Score = "sigmoid", ChoiceBias = "block_sparse_moe.gate.e_score_correction_bias", RenormalizesKey = "moe_renormalize",
                Groups = "two", ScalingKey = "routed_scaling_factor", SharedDFf = 12,
                Shared = "g:block_sparse_moe.shared_experts.gate_proj u:block_sparse_moe.shared_experts.up_proj "
                    + "d:block_sparse_moe.shared_experts.down_proj",
            },
        },
        new("nemotron_h")
        {
            Prefixes = "backbone.", Net = "u:mixer.experts.{e}.up_proj d:mixer.experts.{e}.down_proj", Norms = "pre:R:norm",
            Config = "num_hidden_layers=1",
            Router = new(
                "mixer.gate", "n_routed_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 moe_shared_expert_intermediate_size=10")
            {
                Score = "sigmoid", ChoiceBias = "mixer.gate.e_score_correction_bias", RenormalizesKey = "norm_topk_prob",
                ScalingKey = "routed_scaling_factor", SharedDFf = 10,
                Shared = "u:mixer.shared_experts.up_proj d:mixer.shared_experts.down_proj",
            },
        },
    ];
}
