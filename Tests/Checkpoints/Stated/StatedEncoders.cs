using System.Collections.Immutable;

namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>Encoders of text, sound and images.</summary>
internal static class StatedEncoders
{
    private const string Dense = "u:intermediate.dense d:output.dense";

    private static readonly StatedForm Bert = new("")
    {
        Prefixes = "bert. -", Path = "encoder.layer.{i}.", Net = Dense, Biases = "ud", Norms = "post:L:output.LayerNorm",
    };

    private static readonly StatedForm Speech = Bert with
    {
        Path = "encoder.layers.{i}.",
        Net = "u:feed_forward.intermediate_dense d:feed_forward.output_dense",
        Norms = "post:L:final_layer_norm",
    };

    private static readonly StatedForm Hears = new("")
    {
        Prefixes = "- audio_tower.", Net = "u:fc1 d:fc2", Biases = "ud", Norms = "pre:L:final_layer_norm", Epsilon = 1e-5f,
    };

    private static readonly StatedForm Vit = Bert with { Norms = "pre:L:layernorm_after" };

    private static readonly StatedForm Clip = new("")
    {
        Prefixes = "vision_model. vision_tower.vision_model.", Path = "encoder.layers.{i}.", Net = "u:mlp.fc1 d:mlp.fc2", Biases = "ud",
        Norms = "pre:L:layer_norm2",
    };

    private static readonly StatedForm ClipText = Clip with { Prefixes = "text_model. -" };

    private static readonly StatedForm Dino = Clip with
    {
        Path = "encoder.layer.{i}.",
        Norms = "pre:L:norm2",
        Scale = "layer_scale2.lambda1",
    };

    private static readonly StatedForm Sees = Clip with
    {
        Prefixes = "visual. model.visual.",
        Path = "blocks.{i}.",
        Norms = "pre:L:norm2",
        Epsilon = 1e-6f,
    };

    private static readonly StatedForm Swin = Vit with
    {
        Path = "encoder.layers.1.blocks.0.",
        Layer = 2,
        Config = "depths=[2,1] embed_dim=4",
    };

    /// <summary>Every form.</summary>
    public static ImmutableArray<StatedForm> All { get; } =
    [
        Bert with { Types = "bert nezha" },
        Bert with { Types = "mra", Prefixes = "mra. -" },
        .. Named("ernie electra layoutlm layoutlmv2 roformer rembert splinter tapas markuplm lilt bros yoso canine roc_bert visual_bert "
            + "big_bird fnet nystromformer mpnet layoutlmv3 longformer luke"),
        Bert with { Types = "data2vec-text", Prefixes = "data2vec_text. -" },
        Bert with { Types = "bert-generation", Prefixes = "- encoder." },
        Bert with { Types = "layoutxlm", Prefixes = "layoutlmv2. -" },
        Bert with { Types = "roberta xlm-roberta camembert", Prefixes = "roberta. -" },
        Bert with { Types = "deberta deberta-v2", Prefixes = "deberta. -" },
        Bert with { Types = "dpr", Prefixes = "question_encoder.bert_model. ctx_encoder.bert_model. span_predictor.encoder.bert_model." },
        Bert with { Types = "sew-d", Prefixes = "sew_d. -", Path = "encoder.encoder.layer.{i}." },
        Bert with { Types = "clap_text_model align_text_model", Prefixes = "text_model. -" },
        Bert with { Types = "chinese_clip_text_model", Prefixes = "text_model. -" },
        Bert with { Types = "altclip_text_model", Prefixes = "roberta. text_model.roberta." },
        Bert with { Types = "bridgetower_text_model", Prefixes = "text_model. -" },
        Bert with { Types = "blip_text_model", Prefixes = "text_decoder.bert. -" },
        Bert with { Types = "blip_2_qformer instructblip_qformer instructblipvideo_qformer", Prefixes = "-" },
        Bert with { Types = "megatron-bert", Norms = "pre:L:ln" },
        Bert with { Types = "esm", Prefixes = "esm. -", Norms = "pre:L:LayerNorm", Activation = "gelu", Config = "hidden_act=\"relu\"" },
        Bert with { Types = "xlm-roberta-xl", Prefixes = "roberta. -", Norms = "pre:L:LayerNorm" },
        Bert with { Types = "roberta-prelayernorm", Prefixes = "roberta_prelayernorm. -", Norms = "pre:L:intermediate.LayerNorm" },
        Vit with { Types = "flava_text_model", Prefixes = "flava.text_model. -" },
        Bert with
        {
            Types = "distilbert", Prefixes = "distilbert. -", Path = "transformer.layer.{i}.", Net = "u:ffn.lin1 d:ffn.lin2",
            Norms = "post:L:output_layer_norm", Epsilon = 1e-12f,
        },
        Bert with
        {
            Types = "albert", Prefixes = "albert. -", Path = "encoder.albert_layer_groups.1.albert_layers.0.", Layer = 3,
            Config = "num_hidden_groups=2", Net = "u:ffn d:ffn_output", Norms = "post:L:full_layer_layer_norm",
        },
        Bert with
        {
            Types = "xlnet", Prefixes = "transformer. -", Path = "layer.{i}.", Net = "u:ff.layer_1 d:ff.layer_2",
            Norms = "post:L:ff.layer_norm",
        },
        Bert with
        {
            Types = "funnel", Prefixes = "funnel. -", Path = "encoder.blocks.1.0.", Layer = 2, Config = "block_sizes=[2,1]",
            Net = "u:ffn.linear_1 d:ffn.linear_2", Norms = "post:L:ffn.layer_norm",
        },
        Bert with
        {
            Types = "xlm flaubert", Prefixes = "transformer. -", Path = "ffns.{i}.", DFf = 32, Net = "u:lin1 d:lin2",
            Norms = "post:L:/layer_norm2.{i}", Activation = "gelu",
        },
        Bert with
        {
            Types = "xlm flaubert", Prefixes = "transformer.", Path = "ffns.{i}.", DFf = 32, Net = "u:lin1 d:lin2",
            Norms = "post:L:/layer_norm2.{i}", Activation = "relu", Config = "gelu_activation=false",
        },
        Bert with
        {
            Types = "flaubert", Prefixes = "transformer.", Path = "ffns.{i}.", DFf = 32, Net = "u:lin1 d:lin2",
            Norms = "pre:L:/layer_norm2.{i}", Activation = "gelu", Config = "pre_norm=true",
        },
        Bert with
        {
            Types = "nomic_bert", Prefixes = "- bert.", Path = "encoder.layers.{i}.", Net = "g:mlp.fc12 u:mlp.fc11 d:mlp.fc2", Biases = "",
            Norms = "post:L:norm2",
        },
        Bert with
        {
            Types = "jina_embeddings_v3", Prefixes = "roberta. -", Path = "encoder.layers.{i}.", Net = "u:mlp.fc1 d:mlp.fc2",
            Norms = "post:L:norm2",
        },
        new("neobert")
        {
            Prefixes = "model. -", Path = "transformer_encoder.{i}.", Net = "gu:ffn.w12 d:ffn.w3", Norms = "pre:R:ffn_norm",
            Activation = "silu", DFf = 16, Config = "intermediate_size=20",
        },

        // Sound.
        Speech with { Types = "wav2vec2", Prefixes = "wav2vec2. -" },
        Speech with { Types = "wav2vec2", Prefixes = "wav2vec2.", Config = "do_stable_layer_norm=true", Norms = "pre:L:final_layer_norm" },
        Speech with { Types = "hubert", Prefixes = "hubert. -" },
        Speech with { Types = "wavlm", Prefixes = "wavlm. -" },
        Speech with { Types = "unispeech", Prefixes = "unispeech. -" },
        Speech with { Types = "unispeech-sat", Prefixes = "unispeech_sat. -" },
        Speech with { Types = "data2vec-audio", Prefixes = "data2vec_audio. -" },
        Speech with { Types = "sew", Prefixes = "sew. -" },
        Hears with
        {
            Types = "qwen2_audio_encoder voxtral_encoder audioflamingo3_encoder qwen2_5_omni_audio_encoder qwen3_omni_moe_audio_encoder "
                + "qwen3_asr_encoder",
        },
        Hears with { Types = "glmasr_encoder", Net = "u:mlp.fc1 d:mlp.fc2", Norms = "pre:L:post_attention_layernorm" },
        Hears with
        {
            Types = "voxtral_realtime_encoder", Net = "g:mlp.gate_proj u:mlp.up_proj d:mlp.down_proj", Biases = "d",
            Norms = "pre:R:final_layer_norm", Epsilon = null,
        },

        // Images, by ViT's names.
        .. "vit deit yolos videomae dpt vilt timesformer vivit".Split(' ').Select(static type =>
            Vit with { Types = type, Prefixes = $"{type}. -" }),
        Vit with { Types = "vit_mae vit_msn", Prefixes = "vit. -" },
        Vit with { Types = "ijepa", Prefixes = "ijepa. -" },
        Vit with { Types = "audio-spectrogram-transformer", Prefixes = "audio_spectrogram_transformer. -" },
        Vit with { Types = "flava_image_model", Prefixes = "flava.image_model. -" },
        Vit with { Types = "beit", Prefixes = "beit. -", Scale = "lambda_2" },
        Vit with { Types = "data2vec-vision", Prefixes = "data2vec_vision. -", Scale = "lambda_2" },
        Vit with { Types = "vitpose_backbone", Prefixes = "backbone. -", Net = "u:mlp.fc1 d:mlp.fc2" },
        Vit with
        {
            Types = "internvl_vision", Prefixes = "vision_tower. model.vision_tower.", Net = "u:mlp.fc1 d:mlp.fc2", Scale = "lambda_2",
        },
        Swin with { Types = "swin donut-swin", Prefixes = "swin. -" },
        Swin with { Types = "maskformer-swin", Prefixes = "- model.pixel_level_module.encoder.model." },
        Swin with { Types = "swinv2", Prefixes = "swinv2. -", Norms = "branch:L:layernorm_after" },
        Swin with
        {
            Types = "clap_audio_model", Prefixes = "audio_model.audio_encoder.",
            Config = "depths=[2,1] patch_embeds_hidden_size=4 hidden_size=8",
        },

        // By CLIP's.
        ClipText with
        {
            Types = "clip_text_model clipseg_text_model xclip_text_model owlvit_text_model owlv2_text_model groupvit_text_model "
                + "siglip_text_model siglip2_text_model metaclip_2_text_model",
        },
        Clip with
        {
            Types = "clip_vision_model clipseg_vision_model xclip_vision_model owlvit_vision_model owlv2_vision_model "
                + "chinese_clip_vision_model altclip_vision_model git_vision_model kosmos_2_vision_model metaclip_2_vision_model "
                + "groupvit_vision_model siglip_vision_model siglip2_vision_model idefics2_vision idefics3_vision smolvlm_vision "
                + "paddleocr_vl_vision cosmos3_edge_vision video_llama_3_vision minicpmv4_6_vision phi4_multimodal_vision "
                + "blip_vision_model blip_2_vision_model instructblip_vision_model instructblipvideo_vision_model",
        },
        Clip with { Types = "idefics_vision", Prefixes = "model.vision_model. vision_model." },
        Clip with { Types = "janus_vision_model", Prefixes = "model.vision_model. vision_model.", Config = "mlp_ratio=1.5" },
        Clip with
        {
            Types = "llama4_vision_model", Prefixes = "vision_model.model.", Path = "layers.{i}.", Norms = "pre:L:post_attention_layernorm",
            Epsilon = 1e-5f,
        },
        Clip with
        {
            Types = "mllama_vision_model", Prefixes = "vision_model. model.vision_model.", Path = "transformer.layers.{i}.",
            Norms = "pre:L:post_attention_layernorm",
        },
        Clip with
        {
            Types = "mllama_vision_model", Prefixes = "vision_model.", Path = "transformer.layers.{i}.",
            Norms = "pre:L:post_attention_layernorm", TanhGate = "gate_ffn",
        },
        Dino with { Types = "dinov2 rf_detr_dinov2", Prefixes = "dinov2. -" },
        Dino with { Types = "dinov2_with_registers", Prefixes = "dinov2_with_registers. -" },
        Dino with { Types = "pixio", Prefixes = "pixio. -" },
        Dino with { Types = "tipsv2_vision_model", Prefixes = "-" },
        Dino with
        {
            Types = "dinov2", Prefixes = "dinov2.", Config = "use_swiglu_ffn=true mlp_ratio=3", DFf = 16, Activation = "silu",
            Net = "gu:mlp.weights_in d:mlp.weights_out", Biases = "gud",
        },
        Dino with { Types = "dinov3_vit", Prefixes = "-", Path = "layer.{i}.", Net = "u:mlp.up_proj d:mlp.down_proj" },
        Dino with
        {
            Types = "dinov3_vit", Prefixes = "-", Path = "layer.{i}.", Net = "g:mlp.gate_proj u:mlp.up_proj d:mlp.down_proj", Biases = "gud",
            Config = "use_gated_mlp=true",
        },
        Clip with
        {
            Types = "sam_vision_model sam_hq_vision_model deepseek_ocr2_sam_vision_model", Prefixes = "vision_encoder.", Path = "layers.{i}.",
            Net = "u:mlp.lin1 d:mlp.lin2",
        },
        Clip with { Types = "sam_vision_model", Prefixes = "vision_encoder.", Path = "layers.{i}.", Net = "u:mlp.lin1 d:mlp.lin2",
            Config = "mlp_dim=12 mlp_ratio=4" },
        Clip with { Types = "sam3_vit_model", Prefixes = "backbone. -", Path = "layers.{i}.", Scale = "layer_scale2.lambda1" },
        Clip with { Types = "vjepa2", Prefixes = "- vjepa2.", Path = "encoder.layer.{i}.", Norms = "pre:L:norm2" },
        Sees with { Types = "qwen2_vl_vision", Config = "hidden_size=99 embed_dim=8" },
        Sees with
        {
            Types = "qwen2_5_vl_vision qwen2_5_omni_vision_encoder exaone4_5_vision", Net = "g:mlp.gate_proj u:mlp.up_proj d:mlp.down_proj",
            Biases = "gud", Norms = "pre:R:norm2",
        },
        Sees with
        {
            Types = "qwen3_vl_vision qwen3_vl_moe_vision qwen3_5_vision qwen3_5_moe_vision qwen3_omni_moe_vision_encoder",
            Net = "u:mlp.linear_fc1 d:mlp.linear_fc2",
        },
        Sees with
        {
            Types = "glm4v_vision glm4v_moe_vision", Net = "g:mlp.gate_proj u:mlp.up_proj d:mlp.down_proj", Biases = "",
            Norms = "pre:R:norm2", Config = "out_hidden_size=12 intermediate_size=99", Epsilon = null,
        },
        Sees with
        {
            Types = "kimi_k25_vision", Prefixes = "vision_tower.", Path = "encoder.blocks.{i}.", Net = "u:mlp.fc0 d:mlp.fc1",
            Norms = "pre:L:norm1", Epsilon = 1e-5f,
        },
        Clip with
        {
            Types = "pixtral", Prefixes = "vision_tower. vision_encoder.", Path = "transformer.layers.{i}.", Biases = "", Epsilon = 1e-5f,
            Net = "g:feed_forward.gate_proj u:feed_forward.up_proj d:feed_forward.down_proj", Norms = "pre:R:ffn_norm",
        },
        Clip with
        {
            Types = "aimv2_vision_model", Prefixes = "vision_model. -", Net = "g:ffn.gate_proj u:ffn.up_proj d:ffn.down_proj", Biases = "",
            BiasKey = "mlp_bias", Norms = "pre:R:rms_norm2",
        },
        Clip with
        {
            Types = "aimv2_text_model", Prefixes = "text_model. -", Net = "g:ffn.gate_proj u:ffn.up_proj d:ffn.down_proj", Biases = "",
            BiasKey = "mlp_bias", Norms = "pre:R:rms_norm2",
        },
        Clip with
        {
            Types = "pix2struct_vision_model", Prefixes = "encoder.encoder. encoder.", Path = "layer.{i}.",
            Net = "g:mlp.wi_0 u:mlp.wi_1 d:mlp.wo", Biases = "", Norms = "pre:R:pre_mlp_layer_norm", Activation = "gelu_new",
        },
    ];

    private static IEnumerable<StatedForm> Named(string types) => types.Split(' ').Select(static type =>
        Bert with { Types = type, Prefixes = $"{type}. -" });
}
