using System.Collections.Immutable;
using static NativeFfn.Checkpoints.Families.FamilyNorm;
using static NativeFfn.Checkpoints.Families.StoredProjections;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Decoders without a gate, whose norm stands before the network, or whose attention stands beside it.</summary>
internal static class PlainFamilies
{
    /// <summary>GPT-2, whose matrices are stored <c>[in, out]</c>.</summary>
    public static FfnFamily Gpt2 { get; } = new("gpt2")
    {
        DModelKey = "n_embd|hidden_size",
        DFfKey = "n_inner",
        Expansion = 4,
        Layers = [new("h.{0}.", "n_layer|num_layers|num_hidden_layers")],
        Prefixes = ["transformer.", ""],
        ActivationKey = "activation_function",
        Activation = "gelu_new",
        Bias = new(true),
        Projections = Plain("mlp.", "c_fc", "c_proj").Transposed(),
        Epsilon = new(1e-5f, "layer_norm_epsilon"),
        PreNorm = Layer("ln_2"),
    };

    private static readonly FfnFamily Linear = Gpt2 with { Projections = Plain("mlp.", "c_fc", "c_proj") };

    private static readonly FfnFamily UpDown = new()
    {
        Activation = "relu2",
        Bias = new(null, "mlp_bias"),
        Projections = Plain("mlp.", "up_proj", "down_proj"),
        Epsilon = new(1e-5f, "rms_norm_eps"),
        PreNorm = Rms("post_attention_layernorm"),
    };

    private static readonly FfnFamily FourH = new()
    {
        Bias = new(true),
        Activation = "gelu",
        Epsilon = new(1e-5f, "layer_norm_eps"),
        Projections = Plain("mlp.", "dense_h_to_4h", "dense_4h_to_h"),
        PreNorm = Layer("post_attention_layernorm"),
    };

    private static readonly FfnFamily Fairseq = new()
    {
        DFfKey = "ffn_dim|intermediate_size",
        ActivationKey = "activation_function",
        Activation = "gelu",
        Bias = new(true),
        Epsilon = new(1e-5f),
        Projections = Plain("", "fc1", "fc2"),
        PreNorm = Layer("final_layer_norm"),
    };

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> All { get; } =
    [
        Gpt2,
        Gpt2.For("imagegpt") with { Activation = "quick_gelu", PreNorm = Rms("ln_2") },
        Gpt2.For("decision_transformer") with { DModelKey = "hidden_size|n_embd", Activation = "relu",
            Prefixes = ["encoder.", "transformer.", ""] },

        // Its norms stand after the residual, and its "gelu" is the tanh form.
        Gpt2.For("openai-gpt") with
        {
            ActivationKey = "afn",
            PreNorm = null,
            PostNorm = Layer("ln_2"),
            Adapt = static (family, config) => config.Text("afn", "gelu") == "gelu" ? family with { ActivationKey = null } : family,
        },
        Linear.For("gpt_bigcode", "codeshell") with { Activation = "gelu_pytorch_tanh" },
        Linear.For("gpt_neo") with { DModelKey = "hidden_size", DFfKey = "intermediate_size" },
        new("starcoder2")
        {
            Activation = "gelu_pytorch_tanh",
            Bias = new(null, "use_bias"),
            Projections = Plain("mlp.", "c_fc", "c_proj"),
            Epsilon = new(1e-5f, "norm_epsilon"),
            PreNorm = Layer("post_attention_layernorm"),
        },
        FourH.For("bloom") with
        {
            DModelKey = "hidden_size|n_embed",
            DFfKey = "n_inner",
            Expansion = 4,
            Layers = [new("h.{0}.", "n_layer|num_hidden_layers")],
            Prefixes = ["transformer.", ""],
            ActivationKey = null,
            Activation = "gelu_pytorch_tanh",
            Epsilon = new(1e-5f, "layer_norm_epsilon"),
            Block = new() { ResidualIsNormed = new(false, "apply_residual_connection_post_layernorm") },
        },
        new("mpt")
        {
            DModelKey = "d_model",
            WidthOf = Widths.Ratio("expansion_ratio"),
            Layers = [new("blocks.{0}.", "n_layers")],
            Prefixes = ["transformer.", ""],
            ActivationKey = null,
            Activation = "gelu",
            Bias = new(null),
            Epsilon = new(1e-5f, "layer_norm_epsilon"),
            Projections = Plain("ffn.", "up_proj", "down_proj"),
            PreNorm = LayerWeight("norm_2"),
        },
        FourH.For("persimmon") with { Activation = "relu2" },
        FourH.For("gpt_neox_japanese") with
        {
            WidthOf = Widths.Ratio("intermediate_multiple_size"), Bias = new(null), Prefixes = ["gpt_neox_japanese.", ""],
        },
        UpDown.For("nemotron") with { Epsilon = new(1e-5f, "norm_eps"),
            PreNorm = Layer("post_attention_layernorm") with { WeightOffset = 1 } },
        UpDown.For("arcee"),
        UpDown.For("plm", "cosmos3_edge_text"),
        UpDown.For("jais2") with { Epsilon = new(1e-5f, "layer_norm_eps"), PreNorm = Layer("post_attention_layernorm") },
        UpDown.For("apertus") with
        {
            Activation = "xielu", ReadParameters = static read => Xielu(name => read("mlp.act_fn." + name)), Bias = new(null), PreNorm = Rms("feedforward_layernorm"),
        },
        UpDown.WithEpsilon(1e-6f).For("nanochat") with { Bias = new(false), Projections = Plain("mlp.", "fc1", "fc2"),
            PreNorm = Bare(NormKind.Rms) },

        // The models' code leaves the framework's ε; no configuration has a key for it. The norm of the 350m model stands after the
        // residual.
        Fairseq.For("opt") with
        {
            Prefixes = ["model.decoder.", "decoder.", ""],
            Activation = "relu",
            Bias = new(true, "enable_bias"),
            Adapt = Opt,
        },
        Fairseq.For("xglm") with { DModelKey = "d_model|hidden_size", Layers = [new("layers.{0}.", "num_layers|num_hidden_layers")] },
        Fairseq.For("biogpt") with { ActivationKey = "hidden_act" },
        Fairseq.For("kosmos_2_text_model", "kosmos_2_5_text_model") with
        {
            DModelKey = "embed_dim|hidden_size",
            Layers = [new("layers.{0}.", "layers|num_hidden_layers")],
            Prefixes = ["model.", "", "text_model.model."],
            Epsilon = new(1e-5f, "layer_norm_eps"),
            Projections = Plain("ffn.", "fc1", "fc2"),
            InnerNorm = Layer("ffn.ffn_layernorm"),
        },
        Fairseq.For("musicgen_decoder", "musicgen_melody_decoder") with
        {
            Bias = new(false), Prefixes = ["decoder.model.decoder.", "model.decoder.", "decoder.", ""],
        },
        Gpt2.For("ctrl") with
        {
            DFfKey = "dff",
            Expansion = null,
            ActivationKey = null,
            Activation = "relu",
            Epsilon = new(1e-6f),
            Projections = Plain("ffn.", "0", "2"),
            PreNorm = Layer("layernorm2"),
        },
        UpDown.For("nemotron_h") with
        {
            Layers = [new("layers.{0}.", "num_hidden_layers")],
            Prefixes = ["backbone.", "model."],
            WhyGaps = "of this model a layer is a mixer, attention or a network",
            ActivationKey = "mlp_hidden_act",
            Projections = Plain("mixer.", "up_proj", "down_proj"),
            Epsilon = new(1e-5f, "layer_norm_epsilon"),
            PreNorm = Rms("norm"),
            Mixture = MixtureFamilies.NemotronH,
        },

        // Attention stands beside the network.
        Linear.For("gptj", "codegen") with { Projections = Plain("mlp.", "fc_in", "fc_out"), PreNorm = Layer("ln_1"), IsParallel = true },
        new("phi")
        {
            Activation = "gelu_new",
            Bias = new(true),
            Epsilon = new(1e-5f, "layer_norm_eps"),
            Projections = Plain("mlp.", "fc1", "fc2"),
            PreNorm = Layer("input_layernorm"),
            IsParallel = true,
        },
        FourH.For("gpt_neox") with
        {
            Prefixes = ["gpt_neox.", ""],
            Adapt = static (family, config) => family with { IsParallel = config.Flag(new(true, "use_parallel_residual")) },
        },
        FourH.For("falcon") with
        {
            DFfKey = "ffn_hidden_size",
            Expansion = 4,
            Layers = [new("h.{0}.", "num_hidden_layers|n_layer")],
            Prefixes = ["transformer.", ""],
            ActivationKey = "activation",
            Bias = new(null, "bias"),
            Epsilon = new(1e-5f, "layer_norm_epsilon"),
            Adapt = static (family, config) => config.Flag(new(false, "new_decoder_architecture"))
                || config.Flag(new(true, "parallel_attn"))
                ? family with { PreNorm = Layer("ln_mlp", "input_layernorm"), IsParallel = true }
                : family,
        },
    ];

    /// <summary>The learned numbers of xIELU, which are stored before a softplus, which keeps them positive.</summary>
    /// <param name="read">Reads <c>alpha_p</c>, <c>alpha_n</c>, <c>beta</c> or <c>eps</c>; null where the model has none.</param>
    public static ActivationParameters Xielu(Func<string, float?> read)
    {
        var absent = new ActivationParameters();
        float beta = read("beta") ?? absent.Beta;
        return absent with
        {
            PositiveAlpha = read("alpha_p") is { } positive ? Softplus(positive) : absent.PositiveAlpha,
            NegativeAlpha = read("alpha_n") is { } negative ? beta + Softplus(negative) : absent.NegativeAlpha,
            Beta = beta,
            Epsilon = read("eps") ?? absent.Epsilon,
        };
    }

    private static FfnFamily Opt(FfnFamily family, CheckpointConfig config)
    {
        FamilyNorm? norm = config.Flag(new(true, "layer_norm_elementwise_affine")) ? family.PreNorm : Bare(NormKind.Layer);
        bool before = config.Flag(new(true, "do_layer_norm_before"));
        return family with { PreNorm = before ? norm : null, PostNorm = before ? null : norm };
    }

    private static float Softplus(float x) => (float)(Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs((double)x))));
}
