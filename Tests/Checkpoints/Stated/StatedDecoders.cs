using System.Collections.Immutable;

namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>Dense decoders with a gate.</summary>
internal static class StatedDecoders
{
    private const string GemmaPre = "pre:R+1:pre_feedforward_layernorm branch:R+1:post_feedforward_layernorm";

    private static readonly StatedForm Llama = new("");

    private static readonly StatedForm Fused = new("") { Net = "gu:mlp.gate_up_proj d:mlp.down_proj" };

    private static readonly StatedForm Feed = new("")
    {
        Net = "g:feed_forward.gate_proj u:feed_forward.up_proj d:feed_forward.down_proj", Norms = "pre:R:pre_ff_layernorm",
    };

    // The first w1 is the gate and the last, w2, leads back.
    private static readonly StatedForm W123 = new("")
    {
        Net = "g:feed_forward.w1 u:feed_forward.w3 d:feed_forward.w2", Norms = "pre:R:ffn_norm",
    };

    private static readonly StatedForm Heads = new("") { Prefixes = "transformer. -", Path = "h.{i}.", Norms = "pre:R:ln_2" };

    private static readonly StatedForm Depth = Llama with { Config = "scale_depth=1.4 num_hidden_layers=4", Branch = 0.7 };

    /// <summary>Every form.</summary>
    public static ImmutableArray<StatedForm> All { get; } =
    [
        Llama with { Types = "llama smollm3 seed_oss granite4_vision_text helium cwm eurobert maincoder kormo", BiasKey = "mlp_bias" },
        Llama with
        {
            Types = "mistral ministral ministral3 qwen2 qwen3 qwen2_vl_text qwen2_5_vl_text qwen3_vl_text diffllama hunyuan_v1_dense "
                + "hunyuan_vl_text baichuan xverse aquila internlm pangu_embedded dream rwkv6qwen2 arwkv7 blt_global_transformer "
                + "blt_local_decoder blt_local_encoder emu3_text_model higgs_audio_v2 evolla deepseek_ocr2_encoder qwen2_5_omni_talker",
        },
        Llama with { Types = "qwen2_5_omni_text", Prefixes = "model. -" },
        Llama with { Types = "blt_patcher", Activation = "silu" },
        Llama with { Types = "csm", Prefixes = "backbone_model.", BiasKey = "mlp_bias" },
        Llama with { Types = "csm_depth_decoder_model", Prefixes = "depth_decoder.model.", BiasKey = "mlp_bias" },
        Llama with { Types = "ernie4_5 paddleocr_vl_text", BiasKey = "use_bias" },
        Llama with { Types = "internlm3", BiasKey = "bias" },
        Llama with { Types = "chameleon", BiasKey = "mlp_bias" },
        Llama with { Types = "chameleon", Config = "swin_norm=true", Norms = "branch:R:post_attention_layernorm" },
        Llama with { Types = "mllama_text_model" },
        Llama with { Types = "mllama_text_model", TanhGate = "cross_attn_mlp_gate" },
        Llama with { Types = "qwen3_5_text", Norms = "pre:R+1:post_attention_layernorm" },
        Llama with { Types = "orion", Norms = "pre:L:post_attention_layernorm" },
        Llama with { Types = "plamo", Path = "layers.layers.{i}.", Norms = "pre:R:norm" },
        Depth with { Types = "minicpm minicpm3" },
        Llama with { Types = "minicpm minicpm3", Config = "num_hidden_layers=4", Branch = 0.5 },
        Llama with { Types = "granite granite_swa hyperclovax", BiasKey = "mlp_bias" },
        Llama with { Types = "granite granite_swa hyperclovax", Config = "residual_multiplier=0.22", Branch = 0.22f },
        Llama with
        {
            Types = "hyperclovax", Config = "use_post_norm=true residual_multiplier=0.5", Branch = 0.5,
            Norms = "pre:R:post_attention_layernorm branch:R:post_norm2",
        },
        Llama with { Types = "gemma", Norms = "pre:R+1:post_attention_layernorm" },
        Llama with { Types = "gemma", Config = "hidden_act=\"gelu\"", Norms = "pre:R+1:post_attention_layernorm", Activation = "gelu_new" },
        Llama with { Types = "gemma2 gemma3_text t5_gemma_module t5gemma2_text t5gemma2_decoder", Norms = GemmaPre },
        Llama with { Types = "vaultgemma", Norms = "pre:R+1:pre_feedforward_layernorm" },
        Llama with
        {
            Types = "gemma4_text gemma4_unified_text diffusion_gemma_text",
            Norms = "pre:R:pre_feedforward_layernorm branch:R:post_feedforward_layernorm",
        },
        Llama with
        {
            Types = "gemma4_text", Config = "use_double_wide_mlp=true num_kv_shared_layers=1 intermediate_size=6 num_hidden_layers=2", Layer = 1,
            Norms = "pre:R:pre_feedforward_layernorm branch:R:post_feedforward_layernorm",
        },
        Llama with { Types = "gemma3n_text", Config = "intermediate_size=[12]", Norms = "", HasNoBlock = true },
        Llama with
        {
            Types = "gemma3n_text", Config = "intermediate_size=[4,12] activation_sparsity_pattern=[0,0.95]", Layer = 1, Norms = "",
            Sieve = 1.6448533535003662, HasNoBlock = true,
        },
        Llama with { Types = "olmo", Norms = "pre:L0", Epsilon = 1e-5f },
        Llama with { Types = "olmo2 olmo3 exaone4", Norms = "branch:R:post_feedforward_layernorm" },
        Llama with { Types = "cohere cohere2 cohere_compass_text", Norms = "pre:Lw:input_layernorm" },
        Llama with { Types = "stablelm", Norms = "pre:L:post_attention_layernorm" },
        Llama with { Types = "stablelm", Config = "use_parallel_residual=true", Norms = "pre:L:input_layernorm" },
        Llama with { Types = "bitnet", Norms = "pre:R:post_attention_layernorm inner:R:mlp.ffn_sub_norm" },
        Llama with { Types = "nemotron-nas deci" },
        Llama with
        {
            Types = "nemotron-nas deci", DFf = 256, Layer = 1,
            Config = "block_configs=[{\"ffn\":{\"no_op\":true}},{\"ffn\":{\"ffn_mult\":2.5}}]",
        },

        // Gate and up in one matrix.
        Fused with { Types = "phi3 phi4_multimodal glm" },
        Fused with
        {
            Types = "glm4 glm4v_text glm_ocr_text glm_image_text",
            Norms = "pre:R:post_attention_layernorm branch:R:post_mlp_layernorm",
        },
        new("chatglm")
        {
            Prefixes = "transformer. -", Path = "encoder.layers.{i}.", Net = "gu:mlp.dense_h_to_4h d:mlp.dense_4h_to_h", Activation = "silu",
            BiasKey = "add_bias_linear",
        },
        new("chatglm")
        {
            Prefixes = "transformer.", Path = "encoder.layers.{i}.", Net = "gu:mlp.dense_h_to_4h d:mlp.dense_4h_to_h", Activation = "silu",
            Config = "rmsnorm=false", Norms = "pre:L:post_attention_layernorm",
        },
        Fused with { Types = "dia_decoder", Prefixes = "-", Norms = "pre:R:pre_mlp_norm" },
        Fused with { Types = "dia_encoder", Prefixes = "-", Norms = "pre:R:post_sa_norm" },
        Fused with
        {
            Types = "plamo2 plamo3", Path = "layers.layers.{i}.", Activation = "silu",
            Norms = "pre:R+1:pre_mlp_norm branch:R+0.08944272:post_mlp_norm",
        },
        new("openelm")
        {
            Prefixes = "transformer.", Net = "gu:ffn.proj_1 d:ffn.proj_2", Norms = "pre:R:ffn_norm", Epsilon = 1e-6f,
            Config = "ffn_multipliers=[4,1.4] ffn_dim_divisor=4 num_transformer_layers=2", Layer = 1,
        },
        new("modernbert modernbert-decoder")
        {
            Net = "gu:mlp.Wi d:mlp.Wo", Norms = "pre:Lw:mlp_norm", BiasKey = "mlp_bias",
        },
        new("modernbert") { Net = "gu:mlp.Wi d:mlp.Wo", Norms = "pre:L:mlp_norm", Config = "norm_bias=true" },
        new("moshi kyutai_speech_to_text") { Net = "gu:mlp.fc1 d:mlp.fc2", Config = "ffn_dim=24" },
        new("phi3small")
        {
            Net = "g+u:mlp.up_proj d:mlp.down_proj", Biases = "gud", Activation = "clamped:20", Norms = "pre:L:post_attention_layernorm",
        },
        new("phi3small")
        {
            Net = "g+u:mlp.up_proj d:mlp.down_proj", Biases = "gud", Activation = "clamped:0.5", Config = "gegelu_limit=0.5",
            Norms = "pre:L:post_attention_layernorm",
        },

        // Other names.
        W123 with { Types = "internlm2" },
        W123 with { Types = "lfm2", Activation = "silu", Config = "block_auto_adjust_ff_dim=false" },
        W123 with { Types = "lfm2", Activation = "silu", DFf = 12, Config = "block_ff_dim=13 block_multiple_of=4 block_ffn_dim_multiplier=1.2" },
        Feed with { Types = "bamba" },
        Feed with { Types = "falcon_h1", BiasKey = "mlp_bias" },
        Feed with { Types = "falcon_h1", Config = "mlp_multipliers=[0.5,0.25]", InputFactor = 0.5, OutputFactor = 0.25 },
        new("recurrent_gemma")
        {
            Net = "g:mlp_block.gate_proj u:mlp_block.up_proj d:mlp_block.down_proj", Biases = "gud", Config = "intermediate_size=24",
            Norms = "pre:R+1:channel_pre_norm",
        },
        Heads with { Types = "exaone", Net = "g:mlp.c_fc_0 u:mlp.c_fc_1 d:mlp.c_proj" },
        Heads with { Types = "qwen", Net = "g:mlp.w2 u:mlp.w1 d:mlp.c_proj", Config = "intermediate_size=24", Activation = "silu" },
        Heads with
        {
            Types = "gpt_refact", Net = "gu:mlp.gate_up_proj d:mlp.c_proj", Activation = "silu", DFf = 256, Norms = "pre:Lw:ln_2",
        },
        Heads with
        {
            Types = "gpt_refact", Net = "g:mlp.linear_1 u:mlp.linear_3 d:mlp.c_proj", Activation = "silu", DFf = 512, Config = "n_inner=390",
            Norms = "pre:Lw:ln_2",
        },
        Heads with
        {
            Types = "jais", Net = "g':mlp.c_fc2 u':mlp.c_fc d':mlp.c_proj", Biases = "gud", Config = "activation_function=\"swiglu\"",
            Activation = "silu", Norms = "pre:L:ln_2",
        },
        new("llada")
        {
            Prefixes = "model.transformer.", Path = "blocks.{i}.", Net = "g:ff_proj u:up_proj d:ff_out", Norms = "pre:R:ff_norm",
            Activation = "silu",
        },
        new("cpmant")
        {
            Prefixes = "cpmant. -", Path = "encoder.layers.{i}.", Net = "g:ffn.ffn.w_in.w_0 u:ffn.ffn.w_in.w_1 d:ffn.ffn.w_out",
            Norms = "pre:R:ffn.layernorm_before_ffn", Activation = "gelu", Epsilon = 1e-6f,
        },
        new("doge") { Norms = "", HasNoBlock = true },
    ];
}
