using System.Collections.Immutable;
using static NativeFfn.Checkpoints.Families.FamilyNorm;
using static NativeFfn.Checkpoints.Families.StoredProjections;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Dense decoders with a gate whose matrices are fused, or have other names than LLaMA's.</summary>
internal static class GatedFamilies
{
    private static readonly FfnFamily Plain = LlamaFamilies.Llama with { Bias = new(false) };

    private static readonly FfnFamily Fused = Plain.WithEpsilon(1e-5f) with
    {
        Projections = StoredProjections.Fused("mlp.", "gate_up_proj",
        "down_proj")
    };

    private static readonly FfnFamily Glm4 = Fused with { BranchNorm = Rms("post_mlp_layernorm") };

    private static readonly FfnFamily FeedForward = Plain with { Projections = Llama("feed_forward."), PreNorm = Rms("pre_ff_layernorm") };

    private static readonly FfnFamily Gpt = Plain with
    {
        DModelKey = "n_embd|hidden_size",
        DFfKey = "n_inner|intermediate_size",
        Layers = [new("h.{0}.", "n_layer|num_layers|num_hidden_layers")],
        Prefixes = ["transformer.", ""],
        ActivationKey = "activation_function",
        Epsilon = new(1e-5f, "layer_norm_epsilon"),
        PreNorm = Rms("ln_2"),
    };

    private static readonly FfnFamily ModernBert = Fused with
    {
        ActivationKey = "hidden_activation",
        Activation = "gelu",
        Bias = new(null, "mlp_bias"),
        Epsilon = new(1e-5f, "norm_eps"),
        Projections = StoredProjections.Fused("mlp.", "Wi", "Wo"),
        PreNorm = LayerWeight("mlp_norm"),
    };

    private static readonly FfnFamily Moshi = Fused.WithEpsilon(1e-8f) with
    {
        DFfKey = "ffn_dim",
        WidthOf = Widths.Share("ffn_dim", 2),
        Projections = StoredProjections.Fused("mlp.", "fc1", "fc2"),
    };

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> All { get; } =
    [
        Fused.For("phi3", "phi4_multimodal"),
        Fused.WithEpsilon(1.5625e-07f).For("glm"),
        Glm4.WithEpsilon(1.5625e-07f).For("glm4"),
        Glm4.For("glm4v_text", "glm_ocr_text", "glm_image_text"),
        Fused.For("chatglm") with
        {
            DFfKey = "ffn_hidden_size",
            Layers = [new("encoder.layers.{0}.", "num_layers")],
            Prefixes = ["transformer.", ""],
            ActivationKey = null,
            Bias = new(null, "add_bias_linear"),
            Epsilon = new(1e-5f, "layernorm_epsilon"),
            Projections = StoredProjections.Fused("mlp.", "dense_h_to_4h", "dense_4h_to_h"),
            Adapt = static (family, config) => config.Flag(new(true, "rmsnorm")) ? family
                : family with { PreNorm = Layer("post_attention_layernorm") },
        },
        Fused.For("dia_decoder") with { Epsilon = new(1e-5f, "norm_eps"), PreNorm = Rms("pre_mlp_norm") },
        Fused.For("dia_encoder") with { Epsilon = new(1e-5f, "norm_eps"), PreNorm = Rms("post_sa_norm") },

        // Norms are stored less a constant: 1, and 5^-1.5 on the network's result.
        Plamo("plamo2", 1, 0.08944271909999159f),
        Plamo("plamo3", 1, 0.08944271909999159f),
        Fused.For("openelm") with
        {
            DModelKey = "model_dim",
            WidthOf = Widths.OpenElm,
            Layers = [new("layers.{0}.", "num_transformer_layers")],
            Prefixes = ["transformer.", ""],
            ActivationKey = "activation_fn_name",
            Epsilon = new(1e-6f),
            Projections = StoredProjections.Fused("ffn.", "proj_1", "proj_2"),
            PreNorm = Rms("ffn_norm"),
        },
        ModernBert.For("modernbert", "modernbert-decoder"),
        Moshi.For("moshi", "kyutai_speech_to_text"),

        // Rows of gate and up take turns; gates are kept below a limit and ups within it, which gets 1 more.
        Fused.For("phi3small") with
        {
            DFfKey = "ff_intermediate_size|intermediate_size",
            FixedActivation = Activation.ClampedSilu,
            Parameters = static (config, _) => new(config.Factor("gegelu_limit", 20), Alpha: 1.702f, UpOffset: 1),
            Bias = new(null),
            Epsilon = new(1e-5f, "layer_norm_epsilon"),
            Projections = new(new("mlp.up_proj", ProjectionPart.Even), new("mlp.up_proj", ProjectionPart.Odd), new("mlp.down_proj")),
            PreNorm = Layer("post_attention_layernorm"),
        },
        Plain.For("lfm2") with
        {
            ActivationKey = null,
            WidthOf = Widths.Lfm2,
            Epsilon = new(1e-5f, "norm_eps"),
            Projections = Gated("feed_forward.", "w1", "w3", "w2"),
            PreNorm = Rms("ffn_norm"),
        },
        Plain.For("internlm2") with { Projections = Gated("feed_forward.", "w1", "w3", "w2"), PreNorm = Rms("ffn_norm") },
        FeedForward.WithEpsilon(1e-5f).For("bamba"),
        FeedForward.WithEpsilon(1e-5f).For("falcon_h1") with
        {
            Bias = new(null, "mlp_bias"),
            Parameters = static (config, _) => new() { InputFactor = config.FactorAt("mlp_multipliers", 0, 1) },
            Adapt = static (family, config) => family with { OutputFactor = new(config.FactorAt("mlp_multipliers", 1, 1)) },
        },
        LlamaFamilies.Gemma.For("recurrent_gemma") with
        {
            ActivationKey = "hidden_activation",
            WidthOf = Widths.Share("intermediate_size", 2),
            Bias = new(true),
            Projections = Llama("mlp_block."),
            PreNorm = RmsOnePlus("channel_pre_norm"),
            Adapt = null,
        },
        Gpt.For("exaone") with { Projections = Gated("mlp.", "c_fc_0", "c_fc_1", "c_proj") },
        Gpt.For("qwen") with
        {
            DModelKey = "hidden_size",
            DFfKey = "intermediate_size",
            WidthOf = Widths.Share("intermediate_size", 2),
            ActivationKey = null,
            Epsilon = new(1e-6f, "layer_norm_epsilon"),
            Projections = Gated("mlp.", "w2", "w1", "c_proj"),
        },
        Gpt.For("gpt_refact") with
        {
            WidthOf = Widths.Refact,
            ActivationKey = null,
            Bias = new(null),
            Projections = StoredProjections.Fused("mlp.", "gate_up_proj", "c_proj"),
            OtherProjections = [Gated("mlp.", "linear_1", "linear_3", "c_proj")],
            PreNorm = LayerWeight("ln_2"),
        },
        Gpt.For("jais") with
        {
            Expansion = 4,
            ActivationKey = null,
            Bias = new(true),
            Projections = Gated("mlp.", "c_fc2", "c_fc", "c_proj").Transposed(),
            PreNorm = Layer("ln_2"),
        },
        Plain.For("llada") with
        {
            DModelKey = "d_model",
            DFfKey = "mlp_hidden_size",
            Layers = [new("blocks.{0}.", "n_layers")],
            Prefixes = ["model.transformer.", "transformer."],
            ActivationKey = null,
            Epsilon = new(1e-5f, "rms_norm_eps"),
            Projections = Gated("", "ff_proj", "up_proj", "ff_out"),
            PreNorm = Rms("ff_norm"),
        },
        Plain.For("cpmant") with
        {
            DModelKey = "hidden_size|dim_model",
            DFfKey = "dim_ff",
            Layers = [new("encoder.layers.{0}.", "num_hidden_layers")],
            Prefixes = ["cpmant.", ""],
            ActivationKey = null,
            Activation = "gelu",
            Epsilon = new(1e-6f, "eps"),
            Projections = new(new("ffn.ffn.w_in.w_0"), new("ffn.ffn.w_in.w_1"), new("ffn.ffn.w_out")),
            PreNorm = Rms("ffn.layernorm_before_ffn"),
        },
        Plain.For("doge") with { WhyNoBlock = "this model multiplies its residual with a learned vector." },
    ];

    private static FfnFamily Plamo(string type, float pre, float post) => Fused.WithEpsilon(1e-6f).For(type) with
    {
        Layers = [new("layers.layers.{0}.", "num_hidden_layers")],
        PreNorm = Rms("pre_mlp_norm") with { WeightOffset = pre },
        BranchNorm = Rms("post_mlp_norm") with { WeightOffset = post },
    };
}
