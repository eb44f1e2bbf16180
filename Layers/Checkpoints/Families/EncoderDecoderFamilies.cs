using System.Collections.Immutable;
using static NativeFfn.Checkpoints.Families.FamilyNorm;
using static NativeFfn.Checkpoints.Families.StoredProjections;

namespace NativeFfn.Checkpoints.Families;

/// <summary>
/// Models of an encoder and a decoder: T5's kin, whose norm stands before the network, and BART's, where it stands before or after.
/// </summary>
internal static class EncoderDecoderFamilies
{
    /// <summary>T5, plain in version 1.0 and gated in 1.1.</summary>
    public static FfnFamily T5 { get; } = new("t5")
    {
        DModelKey = "d_model|hidden_size",
        DFfKey = "d_ff",
        Prefixes = ["", "transformer."],
        Layers =
        [
            new("encoder.block.{0}.layer.1.", "num_layers", CheckpointTower.Encoder),
            new("decoder.block.{0}.layer.2.", "num_decoder_layers", CheckpointTower.Decoder),
        ],
        ActivationKey = "dense_act_fn",
        Projections = new(null, new("DenseReluDense.wi"), new("DenseReluDense.wo")),
        Epsilon = new(1e-6f, "layer_norm_epsilon"),
        PreNorm = Rms("layer_norm"),
        Adapt = static (family, config) => FeedForwardProj(family, config, "relu"),
    };

    private static readonly FfnFamily GatedT5 = T5 with
    {
        Adapt = static (family, config) =>
        FeedForwardProj(family, config, "gated-gelu")
    };

    private static readonly FfnFamily PostBart = new()
    {
        DModelKey = "d_model|hidden_size",
        Layers =
        [
            new("encoder.layers.{0}.", "encoder_layers|num_hidden_layers", CheckpointTower.Encoder) { DFfKey = "encoder_ffn_dim" },
            new("decoder.layers.{0}.", "decoder_layers", CheckpointTower.Decoder) { DFfKey = "decoder_ffn_dim" },
        ],
        Prefixes = ["model.", "", "{type}.", "led."],
        ActivationKey = "activation_function",
        Activation = "gelu",
        Bias = new(true),
        Epsilon = new(1e-5f),
        Projections = Plain("", "fc1", "fc2"),
        PostNorm = Layer("final_layer_norm"),
    };

    private static readonly FfnFamily PreBart = PostBart with { PreNorm = PostBart.PostNorm, PostNorm = null };

    private static readonly FfnFamily Moonshine = new() { Prefixes = ["model.", ""], Bias = new(true), Epsilon = new(1e-5f) };

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> All { get; } =
    [
        T5.For("t5", "longt5", "udop"),
        GatedT5.For("mt5", "umt5", "pop2piano"),
        new("pix2struct_text_model")
        {
            DFfKey = "d_ff",
            Layers = [new("layer.{0}.", "num_layers")],
            Prefixes = ["decoder.", "", "model.decoder."],
            ActivationKey = "dense_act_fn",
            Activation = "gelu_new",
            Epsilon = new(1e-6f, "layer_norm_epsilon"),
            Projections = Gated("mlp.DenseReluDense.", "wi_0", "wi_1", "wo"),
            PreNorm = Rms("mlp.layer_norm"),
        },
        PostBart.For("bart", "plbart", "mvp", "marian", "blenderbot-small", "led", "time_series_transformer", "informer", "autoformer"),
        PostBart.For("fsmt", "detr", "conditional_detr", "table-transformer") with { Activation = "relu" },
        PostBart.For("trocr") with
        {
            Layers = [new("decoder.layers.{0}.", "decoder_layers") { DFfKey = "decoder_ffn_dim" }],
            Prefixes = ["decoder.model.", "model.", "", "trocr."],
        },
        PostBart.For("prophetnet") with
        {
            Layers =
            [
                new("encoder.layers.{0}.", "num_encoder_layers", CheckpointTower.Encoder) { DFfKey = "encoder_ffn_dim" },
                new("decoder.layers.{0}.", "num_decoder_layers", CheckpointTower.Decoder) { DFfKey = "decoder_ffn_dim" },
            ],
            Prefixes = ["prophetnet.", "", "model."],
            Projections = Plain("feed_forward.", "intermediate", "output"),
            PostNorm = Layer("feed_forward_layer_norm"),
        },
        PostBart.For("speecht5") with
        {
            Layers =
            [
                new("encoder.wrapped_encoder.layers.{0}.", "encoder_layers", CheckpointTower.Encoder) { DFfKey = "encoder_ffn_dim" },
                new("decoder.wrapped_decoder.layers.{0}.", "decoder_layers", CheckpointTower.Decoder) { DFfKey = "decoder_ffn_dim" },
            ],
            Prefixes = ["speecht5.", ""],
            ActivationKey = "hidden_act",
            Epsilon = new(1e-5f, "layer_norm_eps"),
            Projections = Plain("feed_forward.", "intermediate_dense", "output_dense"),
        },
        PreBart.For("mbart", "pegasus", "pegasus_x", "blenderbot", "whisper"),
        PreBart.For("m2m_100", "speech_to_text") with { Activation = "relu" },
        PreBart.For("bigbird_pegasus") with { Activation = "gelu_new" },
        PreBart.For("seamless_m4t", "seamless_m4t_v2") with
        {
            Layers =
            [
                new("text_encoder.layers.{0}.", "encoder_layers", CheckpointTower.Encoder) { DFfKey = "encoder_ffn_dim" },
                new("text_decoder.layers.{0}.", "decoder_layers", CheckpointTower.Decoder) { DFfKey = "decoder_ffn_dim" },
            ],
            Prefixes = ["", "{type}."],
            Activation = "relu",
            Projections = Plain("ffn.", "fc1", "fc2"),
            PreNorm = Layer("ffn_layer_norm"),
        },
        PreBart.For("cohere_asr") with
        {
            DFfKey = "intermediate_size",
            Layers = [new("decoder.layers.{0}.", "num_hidden_layers", CheckpointTower.Decoder)],
            ActivationKey = "hidden_act",
            Activation = "relu",
        },

        // Moonshine's encoder is plain, and its decoder gated by the second half of its first matrix.
        Moonshine.For("moonshine_encoder") with
        {
            Layers = [new("encoder.layers.{0}.", "encoder_num_hidden_layers|num_hidden_layers")],
            ActivationKey = "encoder_hidden_act",
            Activation = "gelu",
            Projections = Plain("mlp.", "fc1", "fc2"),
            PreNorm = LayerWeight("post_attention_layernorm"),
        },
        Moonshine.For("moonshine_decoder") with
        {
            Layers = [new("decoder.layers.{0}.", "decoder_num_hidden_layers|num_hidden_layers")],
            ActivationKey = "decoder_hidden_act|hidden_act",
            Projections = new(new("mlp.fc1", ProjectionPart.SecondHalf), new("mlp.fc1", ProjectionPart.FirstHalf), new("mlp.fc2")),
            PreNorm = LayerWeight("final_layernorm"),
        },
    ];

    // "gated-gelu" was written before the tanh form had a name of its own, and means it.
    private static FfnFamily FeedForwardProj(FfnFamily family, CheckpointConfig config, string absent)
    {
        const string key = "feed_forward_proj";
        const string gatedMark = "gated-";
        string projection = config.Text(key, absent);
        bool marked = projection.StartsWith(gatedMark, StringComparison.Ordinal);
        bool gated = config.Flag(new(marked, "is_gated_act"));
        string activation = projection == "gated-gelu" ? "gelu_new" : marked ? projection[gatedMark.Length..] : projection;
        if (!config.Has("dense_act_fn") && Activation.OfConfig(activation) is null)
        {
            throw FfnFamily.UnknownActivation(config, key, activation);
        }

        return family with
        {
            Activation = activation,
            Projections = gated
                ? new(new("DenseReluDense.wi_0"), new("DenseReluDense.wi_1"), family.Projections.Down)
                : family.Projections,
        };
    }
}
