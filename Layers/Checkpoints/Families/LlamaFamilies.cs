using System.Collections.Immutable;
using static NativeFfn.Checkpoints.Families.FamilyNorm;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Dense decoders with a gate, a projection up and one down, in three matrices by LLaMA's names or others.</summary>
internal static class LlamaFamilies
{
    /// <summary>LLaMA: <c>mlp.{gate,up,down}_proj</c> after an RMSNorm.</summary>
    public static FfnFamily Llama { get; } = new("llama") { Bias = new(null, "mlp_bias"), PreNorm = Rms("post_attention_layernorm") };

    /// <summary>The same with ε = 1e-5, as most later models have it.</summary>
    public static FfnFamily Llama5 { get; } = Llama.WithEpsilon(1e-5f);

    /// <summary>Gemma: the weight of a norm is stored less 1, and GELU is the tanh form.</summary>
    public static FfnFamily Gemma { get; } = Llama with
    {
        ModelTypes = ["gemma"],
        Bias = new(false),
        ActivationKey = "hidden_activation|hidden_act",
        Activation = "gelu_pytorch_tanh",
        PreNorm = RmsOnePlus("post_attention_layernorm"),
        Adapt = TanhGelu,
    };

    /// <summary>Gemma 2: norms before the network and on its result.</summary>
    public static FfnFamily Gemma2 { get; } = Gemma with
    {
        ModelTypes = ["gemma2"],
        PreNorm = RmsOnePlus("pre_feedforward_layernorm"),
        BranchNorm = RmsOnePlus("post_feedforward_layernorm"),
    };

    private static readonly FfnFamily NoBias = Llama with { Bias = new(false) };

    private static readonly FfnFamily Granite = Llama with { Block = new() { BranchFactor = new(1, "residual_multiplier") } };

    // Attention and network have one norm and one residual.
    private static readonly FfnFamily Cohere = Llama with
    {
        Bias = new(false),
        Epsilon = new(1e-5f, "layer_norm_eps"),
        PreNorm = LayerWeight("input_layernorm"),
        IsParallel = true,
    };

    private static readonly FfnFamily Branch = NoBias with { PreNorm = null, BranchNorm = Rms("post_feedforward_layernorm") };

    private static readonly FfnFamily GemmaPlain = Gemma2 with
    {
        PreNorm = Rms("pre_feedforward_layernorm"),
        BranchNorm = Rms("post_feedforward_layernorm"),
    };

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> All { get; } =
    [
        Llama.For("llama", "smollm3", "seed_oss", "qwen2_5_omni_talker", "granite4_vision_text", "deepseek_ocr2_encoder", "maincoder",
            "kormo"),
        NoBias.For("mistral", "ministral", "qwen2", "qwen3", "qwen2_5_omni_text", "qwen3_vl_text", "baichuan", "xverse", "aquila",
            "internlm",
            "pangu_embedded", "dream", "rwkv6qwen2", "arwkv7"),
        NoBias.WithEpsilon(1e-5f).For("ministral3", "qwen2_vl_text", "qwen2_5_vl_text", "diffllama", "hunyuan_v1_dense", "hunyuan_vl_text",
            "blt_global_transformer", "blt_local_decoder", "blt_local_encoder", "blt_patcher"),
        Llama5.For("cwm", "csm", "csm_depth_decoder_model", "higgs_audio_v2", "emu3_text_model", "evolla", "eurobert") with
        {
            Prefixes = ["model.", "", "backbone_model.", "depth_decoder.model.", "transformer."],
        },
        Llama.WithEpsilon(1e-8f).For("helium"),
        (Llama with { Bias = new(null, "use_bias") }).WithEpsilon(1e-5f).For("ernie4_5", "paddleocr_vl_text"),
        (Llama with { Bias = new(null, "bias") }).For("internlm3"),

        // One of the two ways to norm is the model's own invention.
        Llama5.For("chameleon") with
        {
            Adapt = static (family, config) => config.Flag(new(false, "swin_norm"))
                ? family with { PreNorm = null, BranchNorm = family.PreNorm } : family,
        },
        Llama5.For("mllama_text_model") with { Block = new() { TanhGate = "cross_attn_mlp_gate" } },

        // The weight of norms is stored less 1; MLX stores all of it.
        NoBias.For("qwen3_5_text") with { PreNorm = RmsOnePlus("post_attention_layernorm"), MlxAddsOne = true },

        NoBias.For("orion") with { PreNorm = Layer("post_attention_layernorm") },
        NoBias.For("plamo") with
        {
            Layers = [new("layers.layers.{0}.", "num_hidden_layers")], PreNorm = Rms("norm"), IsParallel = true,
        },
        Depth(NoBias.For("minicpm")),
        Depth(NoBias.WithEpsilon(1e-5f).For("minicpm3")),
        Granite.For("granite"),
        Granite.WithEpsilon(1e-5f).For("granite_swa"),
        Granite.For("hyperclovax") with
        {
            Adapt = static (family, config) => config.Flag(new(false, "use_post_norm")) ? family with { BranchNorm = Rms("post_norm2") }
                : family,
        },
        Gemma,
        Gemma2,
        Gemma2.For("gemma3_text", "t5_gemma_module", "t5gemma2_text", "t5gemma2_decoder"),
        Gemma.For("vaultgemma") with { PreNorm = RmsOnePlus("pre_feedforward_layernorm") },
        GemmaPlain.For("gemma4_text", "gemma4_unified_text", "diffusion_gemma_text") with { WidthOf = DoubleWide, Adapt = Gemma4 },
        GemmaPlain.For("gemma3n_text") with
        {
            WhyNoBlock = "this model mixes several residual streams around the network, so the network has no half of a block of its own.",
            Parameters = Sparsity,
        },

        // OLMo's LayerNorm has no tensors, and an epsilon that no configuration has.
        NoBias.For("olmo") with { Epsilon = new(1e-5f), PreNorm = Bare(NormKind.Layer) },
        Branch.WithEpsilon(1e-5f).For("olmo2", "olmo3", "exaone4"),
        Cohere.For("cohere", "cohere2", "cohere_compass_text"),
        NoBias.For("stablelm") with
        {
            Epsilon = new(1e-5f, "layer_norm_eps"),
            PreNorm = Layer("post_attention_layernorm"),
            Adapt = static (family, config) => config.Flag(new(false, "use_parallel_residual"))
                ? family with { PreNorm = Layer("input_layernorm"), IsParallel = true }
                : family,
        },
        NoBias.WithEpsilon(1e-5f).For("bitnet") with { Activation = "relu2", InnerNorm = Rms("mlp.ffn_sub_norm") },
        NoBias.WithEpsilon(1e-5f).For("nemotron-nas", "deci") with { WidthOf = Widths.Nas,
            WhyGaps = "some layers of this model have none" },
    ];

    // The models were trained with the tanh form; "gelu" under the older key was a slip of the first configurations.
    private static FfnFamily TanhGelu(FfnFamily family, CheckpointConfig config) =>
        !config.Has("hidden_activation") && config.Text("hidden_act", family.Activation) == "gelu" ? family with { ActivationKey = null }
            : family;

    private static FfnFamily Gemma4(FfnFamily family, CheckpointConfig config)
    {
        const string key = "enable_moe_block";
        return config.Flag(new(false, key))
            ? throw config.Wrong(key, "true; layers that add a mixture of experts to a dense network, each with norms of its own, are not "
                + "read. Take a model of the family without experts")
            : TanhGelu(family, config);
    }

    private static FfnFamily Depth(FfnFamily family) => family with
    {
        Adapt = static (family, config) => family with
        {
            Block = new() { BranchFactor = new(config.Factor("scale_depth", 1) / MathF.Sqrt(config.Size("num_hidden_layers"))) },
        },
    };

    // The layers that share keys and values with earlier ones are twice as wide.
    private static int DoubleWide(CheckpointConfig config, int dModel, int layer)
    {
        int width = config.SizeAt("intermediate_size", layer);
        int shared = config.Count("num_kv_shared_layers", 0);
        return config.Flag(new(false, "use_double_wide_mlp")) && layer >= config.Size("num_hidden_layers") - shared ? 2 * width : width;
    }

    // How many deviations above the mean an element of the gate must lie to pass: the normal distribution's quantile of the share that is
    // dropped.
    private static ActivationParameters Sparsity(CheckpointConfig config, int layer)
    {
        const string key = "activation_sparsity_pattern";
        float share = config.FactorAt(key, layer, 0);
        return share is >= 0 and < 1
            ? new() { SparsityMultiplier = NormalQuantile.Of(share) }
            : throw config.Wrong(key, $"{share} for layer {layer}; it must be a share from 0 to below 1");
    }
}
