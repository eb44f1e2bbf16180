using System.Collections.Immutable;

namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>Mixtures of experts.</summary>
internal static class StatedMixtures
{
    internal const string PerExpert = "g:mlp.experts.{e}.gate_proj u:mlp.experts.{e}.up_proj d:mlp.experts.{e}.down_proj";
    internal const string Stacked = "Egu:=mlp.experts.gate_up_proj Ed:=mlp.experts.down_proj";
    internal const string SharedExpert = "g:mlp.shared_expert.gate_proj u:mlp.shared_expert.up_proj d:mlp.shared_expert.down_proj";
    internal const string SharedExperts = "g:mlp.shared_experts.gate_proj u:mlp.shared_experts.up_proj d:mlp.shared_experts.down_proj";
    internal const string SharedMlp = "g:mlp.shared_mlp.gate_proj u:mlp.shared_mlp.up_proj d:mlp.shared_mlp.down_proj";
    internal const string W123 = "g:block_sparse_moe.experts.{e}.w1 u:block_sparse_moe.experts.{e}.w3 d:block_sparse_moe.experts.{e}.w2";

    internal const string M3 = "num_local_experts=4 num_experts_per_tok=2 intermediate_size=6 dense_intermediate_size=12 "
        + "shared_intermediate_size=10 moe_layer_freq=[0,1]";

    internal static readonly StatedForm Llama = new("") { Net = PerExpert };

    internal static readonly StatedRouter Mixtral = new(
        "block_sparse_moe.gate", "num_local_experts=4 num_experts_per_tok=2 intermediate_size=6");

    internal static readonly StatedRouter Qwen = new(
        "mlp.gate", "num_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 decoder_sparse_step=1")
    {
        Renormalizes = false, RenormalizesKey = "norm_topk_prob",
    };

    internal static readonly StatedRouter QwenShared = Qwen with
    {
        Config = Qwen.Config + " shared_expert_intermediate_size=10",
        Shared = SharedExpert,
        SharedDFf = 10,
        SharedGate = "mlp.shared_expert_gate",
    };

    internal static readonly StatedRouter Olmoe = Qwen with { Config = "num_experts=4 num_experts_per_tok=2 intermediate_size=6" };

    internal static readonly StatedRouter DeepSeek = new(
        "mlp.gate", "n_routed_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 n_shared_experts=2 first_k_dense_replace=1 "
            + "n_group=2 topk_group=1")
    {
        Score = "sigmoid", ChoiceBias = "mlp.gate.e_score_correction_bias", RenormalizesKey = "norm_topk_prob",
        Scaling = 2.5, ScalingKey = "routed_scaling_factor", Groups = "two", Shared = SharedExperts, SharedDFf = 12,
    };

    internal static readonly StatedRouter OneGroup = DeepSeek with
    {
        Config = DeepSeek.Config.Replace(" n_group=2 topk_group=1", "", StringComparison.Ordinal),
        Groups = null,
        Scaling = 1,
    };

    // Layer 0 is dense in these, and layer 1 the first mixture.
    internal static readonly StatedForm Later = Llama with { Layer = 1 };

    internal static readonly StatedRouter Granite = new(
        "block_sparse_moe.router.layer", "num_local_experts=4 num_experts_per_tok=2 intermediate_size=6");

    internal static readonly StatedForm GraniteMoe = new("")
    {
        Net = "Egu:block_sparse_moe.input_linear Ed:block_sparse_moe.output_linear", Router = Granite,
    };

    internal static readonly StatedRouter GraniteShared = Granite with
    {
        Config = Granite.Config + " shared_intermediate_size=10",
        Shared = "gu:shared_mlp.input_linear d:shared_mlp.output_linear",
        SharedDFf = 10,
    };

    internal static readonly StatedRouter Bailing = new(
        "mlp.gate", "num_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 num_shared_experts=2 first_k_dense_replace=0")
    {
        RenormalizesKey = "norm_topk_prob", Shared = SharedExperts, SharedDFf = 12,
    };

    internal static readonly StatedRouter Cohere = new("mlp.gate", "num_experts=4 num_experts_per_tok=2 intermediate_size=6");

    internal static readonly StatedForm Oss = new("gpt_oss")
    {
        Net = "Eg+u':=mlp.experts.gate_up_proj Ed':=mlp.experts.down_proj", Biases = "gud",
        Router = new("mlp.router", Mixtral.Config) { HasBias = true },
    };

    internal static readonly StatedForm Dbrx = new("dbrx")
    {
        Prefixes = "transformer. -", Path = "blocks.{i}.", Net = "Fg:=ffn.experts.mlp.w1 Fu:=ffn.experts.mlp.v1 Fd':=ffn.experts.mlp.w2",
        Norms = "pre:Lw:norm_attn_norm.norm_2", Epsilon = 1e-5f,
        Router = new(
            "ffn.router.layer",
            "ffn_config.moe_num_experts=4 ffn_config.moe_top_k=2 ffn_config.ffn_hidden_size=6 ffn_config.moe_normalize_expert_weights=1"),
    };

    /// <summary>Every form.</summary>
    public static ImmutableArray<StatedForm> All { get; } =
    [
        Llama with { Types = "mixtral", Net = W123, Router = Mixtral },
        Llama with
        {
            Types = "minimax_m2", Net = W123,
            Router = Mixtral with { Score = "sigmoid", ChoiceBias = "block_sparse_moe.e_score_correction_bias" },
        },
        Llama with { Types = "minimax", Net = W123, Router = Mixtral, ResidualIsNormed = true },
        Llama with
        {
            Types = "minimax", Net = W123, Router = Mixtral, ResidualIsNormed = true, Config = "mlp_alpha_factor=3.5 mlp_beta_factor=0.5",
            Residual = 3.5, Branch = 0.5,
        },
        Llama with
        {
            Types = "minimax", Net = W123, Router = Mixtral, ResidualIsNormed = true,
            Config = "layernorm_mlp_alpha=3.5 layernorm_mlp_beta=0.5", Residual = 3.5, Branch = 0.5,
        },
        Llama with
        {
            Types = "phimoe", Net = W123, Norms = "pre:L:post_attention_layernorm",
            Router = Mixtral with { Score = "sparsemixer", Renormalizes = false },
        },
        Llama with { Types = "qwen2_moe qwen3_omni_moe_talker_text", Router = QwenShared },
        Llama with { Types = "qwen3_moe rnd1", Router = Qwen },
        Llama with { Types = "qwen2_moe", Router = QwenShared, Net = Stacked },
        new("qwen2_moe qwen3_moe") { Config = "num_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 mlp_only_layers=[0] "
            + "shared_expert_intermediate_size=6" },
        Llama with { Types = "qwen3_omni_moe_text mellum", Router = Qwen with { Renormalizes = true } },
        Llama with
        {
            Types = "llada_moe",
            Router = Qwen with { Config = "num_experts=4 num_experts_per_tok=2 expert_intermediate_size=6" },
        },
        Llama with { Types = "qwen3_next", Norms = "pre:R+1:post_attention_layernorm", Router = QwenShared with { Renormalizes = true } },
        Llama with
        {
            Types = "qwen3_5_moe_text", Net = Stacked, Norms = "pre:R+1:post_attention_layernorm",
            Router = QwenShared with { Renormalizes = true, RenormalizesKey = null },
        },
        Llama with
        {
            Types = "qwen3_5_moe_text", Norms = "pre:R+1:post_attention_layernorm",
            Router = QwenShared with { Renormalizes = true, RenormalizesKey = null },
        },
        Llama with
        {
            Types = "qwen3_vl_moe_text", Net = "Egu':=mlp.experts.gate_up_proj Ed':=mlp.experts.down_proj",
            Router = Qwen with { Renormalizes = true, RenormalizesKey = null },
        },
        Llama with
        {
            Types = "qwen3_vl_moe_text", Net = Stacked, Router = Qwen with { Renormalizes = true, RenormalizesKey = null },
        },
        Llama with { Types = "olmoe", Router = Olmoe },
        Llama with { Types = "flex_olmo", Router = Olmoe, Norms = "branch:R:post_feedforward_layernorm" },

        // DeepSeek's kin.
        Later with { Types = "deepseek_v3 deepseek_v32 kimi_k2 youtu", Router = DeepSeek },
        new("deepseek_v3 glm4_moe dots1 exaone_moe hy_v3 bailing_moe kimi_linear")
        {
            Config = "n_routed_experts=4 num_experts=4 num_experts_per_tok=2 moe_topk=2 moe_intermediate_size=6 n_shared_experts=1 "
                + "num_shared_experts=1 first_k_dense_replace=1 n_group=1 topk_group=1",
        },
        Later with { Types = "glm4_moe glm4v_moe_text", Router = OneGroup },
        Later with { Types = "glm4_moe", Router = OneGroup with { Config = DeepSeek.Config, Groups = "two" } },
        Later with { Types = "glm4_moe_lite", Router = OneGroup with { Scaling = 1.8f } },
        Later with { Types = "glm_moe_dsa", Router = OneGroup with { Scaling = 2.5f } },
        Later with { Types = "dots1", Router = OneGroup with { Renormalizes = false } },
        Llama with { Types = "solar_open", Router = OneGroup with { Config = OneGroup.Config.Replace("first_k_dense_replace=1", "", StringComparison.Ordinal) } },
        Later with
        {
            Types = "mimo_v2_flash mimo_v2",
            Router = OneGroup with
            {
                Config = "n_routed_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 moe_layer_freq=[0,1]", Shared = null,
            },
        },
        Later with
        {
            Types = "exaone_moe",
            Router = OneGroup with
            {
                Config = "num_experts=4 num_experts_per_tok=2 moe_intermediate_size=6 num_shared_experts=2 first_k_dense_replace=1",
                ChoiceBias = "mlp.e_score_correction_bias", Scaling = 2.5,
            },
        },
        Later with
        {
            Types = "mistral4", Net = Stacked,
            Router = DeepSeek with { Score = "softmax", ChoiceBias = null, Scaling = 1, Groups = "two zero" },
        },
        Later with
        {
            Types = "deepseek",
            Router = OneGroup with { Score = "softmax", ChoiceBias = null, Renormalizes = false, ScalingKey = null },
        },
        Later with
        {
            Types = "deepseek_v2 deepseek_ocr2_text",
            Router = OneGroup with { Score = "softmax", ChoiceBias = null, Renormalizes = false, RenormalizesKey = null },
        },
        Later with
        {
            Types = "deepseek_v2", Config = "topk_method=\"group_limited_greedy\"",
            Router = DeepSeek with
            {
                Score = "softmax", ChoiceBias = null, Renormalizes = false, RenormalizesKey = null, Groups = "best zero", Scaling = 1,
            },
        },
    ];
}
