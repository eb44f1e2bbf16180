using System.Collections.Immutable;
using static NativeFfn.Checkpoints.Families.FamilyNorm;
using static NativeFfn.Checkpoints.Families.StoredProjections;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Encoders of text and of sound, most of them BERT's layer with its norm after the residual.</summary>
internal static class EncoderFamilies
{
    /// <summary>BERT: <c>intermediate.dense</c> and <c>output.dense</c>, with the norm after the residual.</summary>
    public static FfnFamily Bert { get; } = new("bert")
    {
        Layers = [new("encoder.layer.{0}.", "num_hidden_layers")],
        Prefixes = ["{type}.", "", "bert."],
        Activation = "gelu",
        Bias = new(true),
        Projections = new(null, new("intermediate.dense"), new("output.dense")),
        Epsilon = new(1e-12f, "layer_norm_eps"),
        PostNorm = Layer("output.LayerNorm"),
    };

    private static readonly FfnFamily Roberta = Bert with { Prefixes = ["roberta.", "", "{type}."] };

    private static readonly FfnFamily Deberta = Bert.WithEpsilon(1e-7f) with { Prefixes = ["deberta.", ""] };

    private static readonly FfnFamily Nested = Bert with { Prefixes = ["", "bert.", "roberta.", "{type}."] };

    private static readonly FfnFamily PreNormed = Bert with { PostNorm = null };

    private static readonly FfnFamily Wav2Vec2 = new()
    {
        Tower = CheckpointTower.Audio,
        Layers = [new("encoder.layers.{0}.", "num_hidden_layers")],
        Prefixes = ["{type}.", "", "wav2vec2.", "data2vec_audio."],
        Activation = "gelu",
        Bias = new(true),
        Epsilon = new(1e-5f, "layer_norm_eps"),
        Projections = Plain("feed_forward.", "intermediate_dense", "output_dense"),
        PostNorm = Layer("final_layer_norm"),
        Adapt = static (family, config) => config.Flag(new(false, "do_stable_layer_norm"))
            ? family with { PreNorm = family.PostNorm, PostNorm = null } : family,
    };

    private static readonly FfnFamily AudioEncoder = new()
    {
        Tower = CheckpointTower.Audio,
        DModelKey = "d_model|hidden_size",
        DFfKey = "encoder_ffn_dim|intermediate_size",
        Layers = [new("layers.{0}.", "encoder_layers|num_hidden_layers")],
        Prefixes = ["", "encoder.", "audio_tower."],
        ActivationKey = "activation_function|hidden_act",
        Activation = "gelu",
        Bias = new(true),
        Epsilon = new(1e-5f),
        Projections = Plain("", "fc1", "fc2"),
        PreNorm = Layer("final_layer_norm"),
    };

    private static readonly FfnFamily Xlm = new()
    {
        DModelKey = "emb_dim|hidden_size",
        WidthOf = static (config, dModel, _) => config.Has("hidden_dim") ? config.Size("hidden_dim") : 4 * dModel,
        Layers = [new("ffns.{0}.", "n_layers|num_hidden_layers")],
        Prefixes = ["transformer.", ""],
        ActivationKey = null,
        Activation = "gelu",
        Bias = new(true),
        Epsilon = new(1e-12f, "layer_norm_eps"),
        Projections = Plain("", "lin1", "lin2"),
        PostNorm = Layer("/layer_norm2.{0}"),
        Adapt = static (family, config) =>
        {
            FfnFamily activated = config.Flag(new(true, "gelu_activation")) ? family : family with { Activation = "relu" };
            return config.Flag(new(false, "pre_norm")) ? activated with { PreNorm = family.PostNorm, PostNorm = null } : activated;
        },
    };

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> All { get; } =
    [
        Bert.For("bert", "nezha", "ernie", "electra", "layoutlm", "layoutlmv2", "roformer", "rembert", "splinter", "tapas", "markuplm",
            "lilt",
            "bros", "yoso", "canine", "roc_bert", "visual_bert"),
        Bert.For("bert-generation") with { Prefixes = ["", "bert.", "encoder."] },
        Bert.For("layoutxlm") with { Prefixes = ["layoutlmv2.", ""] },
        Bert.WithEpsilon(1e-5f).For("layoutlmv3", "mra"),
        Bert.For("big_bird", "fnet") with { Activation = "gelu_new", Prefixes = ["{type}.", "", "bert."] },
        Bert.WithEpsilon(1e-5f).For("nystromformer") with { Activation = "gelu_new" },
        Roberta.For("roberta", "xlm-roberta", "camembert", "data2vec-text", "luke", "longformer"),
        Deberta.For("deberta", "deberta-v2"),
        Bert.For("mpnet"),
        Bert.For("dpr") with { Prefixes = ["question_encoder.bert_model.", "ctx_encoder.bert_model.", "span_predictor.encoder.bert_model.",
            ""] },
        Bert.For("sew-d") with { Layers = [new("encoder.encoder.layer.{0}.", "num_hidden_layers")],
            Epsilon = new(1e-7f, "layer_norm_eps") },
        Nested.For("clap_text_model", "chinese_clip_text_model", "align_text_model", "blip_text_model", "blip_2_qformer",
            "instructblip_qformer",
            "instructblipvideo_qformer"),
        Nested.WithEpsilon(1e-5f).For("altclip_text_model", "bridgetower_text_model"),

        // The same projections with the norm before them.
        PreNormed.For("megatron-bert") with { PreNorm = Layer("ln"), Prefixes = ["bert.", ""] },
        PreNormed.For("esm") with { ActivationKey = null, PreNorm = Layer("LayerNorm") },
        PreNormed.WithEpsilon(1e-5f).For("xlm-roberta-xl") with { Prefixes = ["roberta.", ""], PreNorm = Layer("LayerNorm") },
        PreNormed.For("roberta-prelayernorm") with { PreNorm = Layer("intermediate.LayerNorm") },
        PreNormed.For("flava_text_model") with { Prefixes = ["text_model.", "flava.text_model.", ""], PreNorm = Layer("layernorm_after") },

        new("distilbert")
        {
            DModelKey = "dim|hidden_size",
            DFfKey = "hidden_dim",
            Layers = [new("transformer.layer.{0}.", "n_layers|num_hidden_layers")],
            Prefixes = ["distilbert.", ""],
            ActivationKey = "activation",
            Activation = "gelu",
            Bias = new(true),
            Epsilon = new(1e-12f),
            Projections = Plain("ffn.", "lin1", "lin2"),
            PostNorm = Layer("output_layer_norm"),
        },

        // One layer, or one for each group of layers, is stored and used by many.
        Bert.For("albert") with
        {
            Map = Albert,
            Prefixes = ["albert.", ""],
            Activation = "gelu_new",
            Projections = Plain("", "ffn", "ffn_output"),
            PostNorm = Layer("full_layer_layer_norm"),
        },
        Bert.For("xlnet") with
        {
            DModelKey = "d_model|hidden_size",
            DFfKey = "d_inner",
            Layers = [new("layer.{0}.", "n_layer|num_hidden_layers")],
            Prefixes = ["transformer.", ""],
            ActivationKey = "ff_activation",
            Projections = Plain("ff.", "layer_1", "layer_2"),
            PostNorm = Layer("ff.layer_norm"),
        },
        Bert.WithEpsilon(1e-9f).For("funnel") with
        {
            DModelKey = "d_model|hidden_size",
            DFfKey = "d_inner",
            Map = Funnel,
            Prefixes = ["funnel.", ""],
            Activation = "gelu_new",
            Projections = Plain("ffn.", "linear_1", "linear_2"),
            PostNorm = Layer("ffn.layer_norm"),
        },
        Xlm.For("xlm", "flaubert"),
        new("nomic_bert")
        {
            DModelKey = "n_embd|hidden_size",
            DFfKey = "n_inner|intermediate_size",
            Layers = [new("encoder.layers.{0}.", "n_layer|num_hidden_layers")],
            Prefixes = ["", "bert.", "nomic_bert."],
            ActivationKey = "activation_function|hidden_act",
            Bias = new(null),
            Epsilon = new(1e-12f, "layer_norm_epsilon|layer_norm_eps"),
            Projections = Gated("mlp.", "fc12", "fc11", "fc2"),
            PostNorm = Layer("norm2"),
            Adapt = static (family, config) => config.Flag(new(false, "prenorm"))
                ? family with { PreNorm = family.PostNorm, PostNorm = null } : family,
        },
        Bert.WithEpsilon(1e-5f).For("jina_embeddings_v3") with
        {
            Layers = [new("encoder.layers.{0}.", "num_hidden_layers")],
            Prefixes = ["roberta.", ""],
            Projections = Plain("mlp.", "fc1", "fc2"),
            PostNorm = Layer("norm2"),
        },
        new("neobert")
        {
            Layers = [new("transformer_encoder.{0}.", "num_hidden_layers")],
            Prefixes = ["model.", ""],
            ActivationKey = null,
            WidthOf = static (config, _, layer) => Widths.RoundUp(config, 2L * config.SizeAt("intermediate_size", layer) / 3, 8),
            Epsilon = new(1e-6f, "norm_eps"),
            Projections = Fused("ffn.", "w12", "w3"),
            PreNorm = Rms("ffn_norm"),
        },

        Wav2Vec2.For("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat", "data2vec-audio", "sew"),
        AudioEncoder.For("qwen2_audio_encoder", "voxtral_encoder", "audioflamingo3_encoder", "qwen2_5_omni_audio_encoder",
            "qwen3_omni_moe_audio_encoder", "qwen3_asr_encoder"),
        AudioEncoder.For("glmasr_encoder") with { Projections = Plain("mlp.", "fc1", "fc2"), PreNorm = Layer("post_attention_layernorm") },
        AudioEncoder.For("voxtral_realtime_encoder") with
        {
            ActivationKey = "hidden_act", Activation = "silu", Bias = new(null), Epsilon = new(1e-5f, "rms_norm_eps"),
            Projections = Llama("mlp."), PreNorm = Rms("final_layer_norm"),
        },
    ];

    private static LayerMap Albert(CheckpointConfig config)
    {
        int layers = config.Size("num_hidden_layers");
        int groups = config.Size("num_hidden_groups", 1);
        int inner = config.Size("inner_group_num", 1);
        return new LayerMap(
            checked((int)Math.Min((long)layers * inner, int.MaxValue)),
            layer => FormattableString.Invariant(
                $"encoder.albert_layer_groups.{(long)(layer / inner) * groups / layers}.albert_layers.{layer % inner}."));
    }

    private static LayerMap Funnel(CheckpointConfig config)
    {
        (int Stage, int Block)[] layers = LayerMap.Stages(config, "block_sizes", [4, 4, 4]);
        return new LayerMap(layers.Length, layer =>
            FormattableString.Invariant($"encoder.blocks.{layers[layer].Stage}.{layers[layer].Block}."));
    }
}
