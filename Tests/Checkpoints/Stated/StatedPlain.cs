using System.Collections.Immutable;

namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>Dense decoders without a gate, and models of an encoder and a decoder.</summary>
internal static class StatedPlain
{
    private static readonly StatedForm Gpt = new("")
    {
        Prefixes = "transformer. -", Path = "h.{i}.", Net = "u:mlp.c_fc d:mlp.c_proj", Biases = "ud", Norms = "pre:L:ln_2",
    };

    private static readonly StatedForm Conv1D = Gpt with { Net = "u':mlp.c_fc d':mlp.c_proj" };

    private static readonly StatedForm UpDown = new("") { Net = "u:mlp.up_proj d:mlp.down_proj" };

    private static readonly StatedForm FourH = new("")
    {
        Net = "u:mlp.dense_h_to_4h d:mlp.dense_4h_to_h", Biases = "ud", Norms = "pre:L:post_attention_layernorm",
    };

    private static readonly StatedForm Fairseq = new("")
    {
        Net = "u:fc1 d:fc2", Biases = "ud", Norms = "pre:L:final_layer_norm", Epsilon = 1e-5f,
    };

    private static readonly StatedForm Encoder = Fairseq with
    {
        Prefixes = "model. -",
        Path = "encoder.layers.{i}.",
        Config = "decoder_layers=1 decoder_ffn_dim=12",
        Tower = "encoder",
    };

    private static readonly StatedForm Decoder = Fairseq with
    {
        Prefixes = "model. -",
        Path = "decoder.layers.{i}.",
        Tower = "decoder",
        Config = "encoder_layers=1 encoder_ffn_dim=6 decoder_layers=1 decoder_ffn_dim=12",
    };

    private static readonly StatedForm T5 = new("")
    {
        Prefixes = "- transformer.", Net = "u:DenseReluDense.wi d:DenseReluDense.wo", Norms = "pre:R:layer_norm",
    };

    private static readonly StatedForm T5Encoder = T5 with { Path = "encoder.block.{i}.layer.1.", Tower = "encoder" };

    private static readonly StatedForm T5Decoder = T5 with { Path = "decoder.block.{i}.layer.2.", Tower = "decoder" };

    private const string T5Gated = "g:DenseReluDense.wi_0 u:DenseReluDense.wi_1 d:DenseReluDense.wo";

    private const string PostBart = "bart plbart mvp marian blenderbot-small led time_series_transformer informer autoformer fsmt "
        + "detr conditional_detr table-transformer";

    private const string PreBart = "mbart pegasus pegasus_x blenderbot whisper m2m_100 speech_to_text bigbird_pegasus";

    private const string PostNorm = "post:L:final_layer_norm";

    /// <summary>Every form.</summary>
    public static ImmutableArray<StatedForm> All { get; } =
    [
        Conv1D with { Types = "gpt2" },
        Conv1D with { Types = "gpt2", DFf = 32, Config = "n_inner=null" },
        Conv1D with { Types = "imagegpt", Norms = "pre:R:ln_2" },
        Conv1D with { Types = "decision_transformer", Prefixes = "encoder. transformer." },
        Conv1D with { Types = "openai-gpt", DFf = 32, Norms = "post:L:ln_2", Activation = "gelu_new" },
        Gpt with { Types = "gpt_bigcode codeshell gpt_neo" },
        Gpt with { Types = "gpt_neo", DFf = 32, Config = "intermediate_size=null" },
        new("starcoder2")
        {
            Net = "u:mlp.c_fc d:mlp.c_proj", Biases = "ud", Norms = "pre:L:post_attention_layernorm",
        },
        FourH with { Types = "bloom", Prefixes = "transformer. -", Path = "h.{i}.", DFf = 32, Activation = "gelu_pytorch_tanh" },
        FourH with
        {
            Types = "bloom", Prefixes = "transformer. -", Path = "h.{i}.", DFf = 32, Activation = "gelu_pytorch_tanh",
            Config = "apply_residual_connection_post_layernorm=true", ResidualIsNormed = true,
        },
        UpDown with
        {
            Types = "mpt", Prefixes = "transformer. -", Path = "blocks.{i}.", Net = "u:ffn.up_proj d:ffn.down_proj", Activation = "gelu",
            Norms = "pre:Lw:norm_2",
        },
        FourH with { Types = "persimmon" },
        FourH with
        {
            Types = "gpt_neox_japanese", Prefixes = "gpt_neox_japanese. -", DFf = 16, Config = "intermediate_multiple_size=2", Biases = "",
        },
        UpDown with { Types = "nemotron", Norms = "pre:L+1:post_attention_layernorm", BiasKey = "mlp_bias" },
        UpDown with { Types = "arcee", BiasKey = "mlp_bias" },
        UpDown with { Types = "plm cosmos3_edge_text" },
        UpDown with { Types = "jais2", Biases = "ud", Norms = "pre:L:post_attention_layernorm" },
        UpDown with { Types = "apertus", Activation = "xielu", HasXielu = true, Norms = "pre:R:feedforward_layernorm" },
        UpDown with { Types = "nanochat", Net = "u:mlp.fc1 d:mlp.fc2", Norms = "pre:R0" },
        UpDown with
        {
            Types = "nemotron_h", Prefixes = "backbone. model.", Net = "u:mixer.up_proj d:mixer.down_proj", Norms = "pre:R:norm",
            Config = "num_hidden_layers=1", BiasKey = "mlp_bias",
        },
        Fairseq with { Types = "opt", Prefixes = "model.decoder. decoder." },
        Fairseq with { Types = "opt", Prefixes = "model.decoder.", Config = "do_layer_norm_before=false", Norms = PostNorm },
        Fairseq with { Types = "xglm" },
        Fairseq with { Types = "biogpt", Prefixes = "biogpt. -" },
        Fairseq with
        {
            Types = "kosmos_2_text_model kosmos_2_5_text_model", Prefixes = "text_model.model. model.", Config = "layers=1", Epsilon = null,
            Net = "u:ffn.fc1 d:ffn.fc2", Norms = "pre:L:final_layer_norm inner:L:ffn.ffn_layernorm",
        },
        Fairseq with
        {
            Types = "musicgen_decoder musicgen_melody_decoder", Prefixes = "decoder.model.decoder. model.decoder.", Biases = "",
        },
        Gpt with
        {
            Types = "ctrl", Prefixes = "transformer. -", Net = "u:ffn.0 d:ffn.2", Norms = "pre:L:layernorm2", Activation = "relu",
            Epsilon = 1e-6f,
        },
        Gpt with { Types = "gptj codegen", Net = "u:mlp.fc_in d:mlp.fc_out", Norms = "pre:L:ln_1" },
        new("phi") { Net = "u:mlp.fc1 d:mlp.fc2", Biases = "ud", Norms = "pre:L:input_layernorm" },
        FourH with { Types = "gpt_neox", Prefixes = "gpt_neox. -" },
        FourH with { Types = "falcon", Prefixes = "transformer. -", Path = "h.{i}.", Biases = "", BiasKey = "bias", Norms = "pre:L:input_layernorm" },
        FourH with
        {
            Types = "falcon", Prefixes = "transformer.", Path = "h.{i}.", Biases = "", Config = "new_decoder_architecture=true",
            Norms = "pre:L:ln_mlp",
        },
        FourH with
        {
            Types = "falcon", Prefixes = "transformer.", Path = "h.{i}.", Biases = "", Config = "parallel_attn=false ffn_hidden_size=null",
            DFf = 32,
        },

        // T5's kin.
        T5Encoder with { Types = "t5 longt5 udop", Config = "dense_act_fn=\"relu\"", Activation = "relu" },
        T5Encoder with { Types = "t5 longt5 udop", Activation = "relu" },
        T5Decoder with { Types = "t5 longt5 udop", Activation = "relu", Config = "num_layers=3 num_decoder_layers=1" },
        T5Encoder with { Types = "t5", Net = T5Gated, Config = "feed_forward_proj=\"gated-gelu\"", Activation = "gelu_new" },
        T5Encoder with { Types = "t5", Net = T5Gated, Config = "feed_forward_proj=\"gated-silu\"", Activation = "silu" },
        T5Encoder with { Types = "mt5 umt5 pop2piano", Net = T5Gated, Activation = "gelu_new" },
        T5Decoder with { Types = "mt5 umt5 pop2piano", Net = T5Gated, Activation = "gelu_new" },
        new("pix2struct_text_model")
        {
            Prefixes = "decoder. -", Path = "layer.{i}.", Norms = "pre:R:mlp.layer_norm", Activation = "gelu_new",
            Net = "g:mlp.DenseReluDense.wi_0 u:mlp.DenseReluDense.wi_1 d:mlp.DenseReluDense.wo",
        },

        // BART's.
        Encoder with { Types = PostBart, Norms = PostNorm },
        Decoder with { Types = PostBart, Norms = PostNorm },
        Encoder with { Types = PreBart },
        Decoder with { Types = PreBart },
        Fairseq with { Types = "trocr", Prefixes = "decoder.model.", Path = "decoder.layers.{i}.", Norms = PostNorm },
        Encoder with
        {
            Types = "prophetnet", Prefixes = "prophetnet. -", Net = "u:feed_forward.intermediate d:feed_forward.output",
            Norms = "post:L:feed_forward_layer_norm", Config = "num_encoder_layers=1 num_decoder_layers=1 decoder_ffn_dim=12",
        },
        Decoder with
        {
            Types = "prophetnet", Prefixes = "prophetnet. -", Net = "u:feed_forward.intermediate d:feed_forward.output",
            Norms = "post:L:feed_forward_layer_norm", Config = "num_encoder_layers=1 num_decoder_layers=1 decoder_ffn_dim=12",
        },
        Encoder with
        {
            Types = "speecht5", Prefixes = "speecht5. -", Path = "encoder.wrapped_encoder.layers.{i}.", Epsilon = null, Norms = PostNorm,
            Net = "u:feed_forward.intermediate_dense d:feed_forward.output_dense",
        },
        Decoder with
        {
            Types = "speecht5", Prefixes = "speecht5. -", Path = "decoder.wrapped_decoder.layers.{i}.", Epsilon = null, Norms = PostNorm,
            Net = "u:feed_forward.intermediate_dense d:feed_forward.output_dense",
        },
        Encoder with
        {
            Types = "seamless_m4t seamless_m4t_v2", Prefixes = "-", Path = "text_encoder.layers.{i}.", Net = "u:ffn.fc1 d:ffn.fc2",
            Norms = "pre:L:ffn_layer_norm",
        },
        Decoder with
        {
            Types = "seamless_m4t seamless_m4t_v2", Prefixes = "-", Path = "text_decoder.layers.{i}.", Net = "u:ffn.fc1 d:ffn.fc2",
            Norms = "pre:L:ffn_layer_norm",
        },
        Fairseq with { Types = "cohere_asr", Path = "decoder.layers.{i}." },
        new("moonshine_encoder")
        {
            Path = "encoder.layers.{i}.", Net = "u:mlp.fc1 d:mlp.fc2", Biases = "ud", Norms = "pre:Lw:post_attention_layernorm",
            Epsilon = 1e-5f,
        },
        new("moonshine_decoder")
        {
            Path = "decoder.layers.{i}.", Net = "ug:mlp.fc1 d:mlp.fc2", Biases = "gud", Norms = "pre:Lw:final_layernorm", Epsilon = 1e-5f,
        },
    ];
}
