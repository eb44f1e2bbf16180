using System.Collections.Immutable;
using static NativeFfn.Checkpoints.Families.FamilyNorm;
using static NativeFfn.Checkpoints.Families.StoredProjections;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Models that see, and the text models of CLIP and its kin, which are built alike.</summary>
internal static class VisionFamilies
{
    private static readonly FfnFamily Vit = EncoderFamilies.Bert with
    {
        Tower = CheckpointTower.Vision,
        Prefixes = ["{type}.", "", "vit.", "backbone."],
        PostNorm = null,
        PreNorm = Layer("layernorm_after"),
    };

    private static readonly FfnFamily Clip = new()
    {
        Tower = CheckpointTower.Vision,
        Layers = [new("encoder.layers.{0}.", "num_hidden_layers")],
        Prefixes = ["", "vision_model.", "{type}.vision_model.", "clip.vision_model."],
        Activation = "quick_gelu",
        Bias = new(true),
        Epsilon = new(1e-5f, "layer_norm_eps"),
        Projections = Plain("mlp.", "fc1", "fc2"),
        PreNorm = Layer("layer_norm2"),
    };

    private static readonly FfnFamily ClipText = Clip with
    {
        Tower = CheckpointTower.Text,
        Prefixes = ["", "text_model.", "{type}.text_model.", "clip.text_model."],
    };

    private static readonly FfnFamily Siglip = Clip.WithEpsilon(1e-6f) with { Activation = "gelu_pytorch_tanh" };

    private static readonly FfnFamily Blip = Clip with { Activation = "gelu" };

    private static readonly FfnFamily Dino = Clip with
    {
        WidthOf = Widths.Ratio("mlp_ratio"),
        Layers = [new("encoder.layer.{0}.", "num_hidden_layers")],
        Prefixes = ["{type}.", "", "dinov2."],
        Activation = "gelu",
        Epsilon = new(1e-6f, "layer_norm_eps"),
        PreNorm = Layer("norm2"),
        Block = new() { Scale = "layer_scale2.lambda1" },
        Adapt = static (family, config) => config.Flag(new(false, "use_swiglu_ffn"))
            ? family with
            {
                ActivationKey = null,
                Activation = "silu",
                WidthOf = Widths.DinoGated,
                Projections = Fused("mlp.", "weights_in", "weights_out")
            }
            : family,
    };

    private static readonly FfnFamily QwenVision = Clip with
    {
        Layers = [new("blocks.{0}.", "depth|num_hidden_layers")],
        Prefixes = [""],
        Epsilon = new(1e-6f),
        PreNorm = Layer("norm2"),
    };

    private static readonly FfnFamily Sam = Clip.WithEpsilon(1e-6f) with
    {
        DFfKey = "mlp_dim",
        WidthOf = static (config, dModel, layer) => config.Has("mlp_dim") ? config.Size("mlp_dim")
            : Widths.Ratio("mlp_ratio")(config, dModel, layer),
        Layers = [new("layers.{0}.", "num_hidden_layers")],
        Prefixes = ["vision_encoder.", "", "sam.vision_encoder."],
        Activation = "gelu",
        Projections = Plain("mlp.", "lin1", "lin2"),
    };

    private static readonly FfnFamily Swin = Vit.WithEpsilon(1e-5f) with
    {
        Map = Stages,
        WidthOf = Widths.Ratio("mlp_ratio"),
        Prefixes = ["{type}.", "", "swin.", "encoder.", "model.pixel_level_module.encoder.model."],
    };

    /// <summary>Every row.</summary>
    public static ImmutableArray<FfnFamily> All { get; } =
    [
        Vit.For("vit", "deit", "vit_mae", "ijepa", "yolos", "videomae", "dpt", "vilt"),
        Vit.For("audio-spectrogram-transformer") with { Tower = CheckpointTower.Audio },
        Vit.WithEpsilon(1e-6f).For("vit_msn", "timesformer"),
        Vit.WithEpsilon(1e-6f).For("vivit") with { Activation = "gelu_fast" },
        Vit.For("flava_image_model") with { Prefixes = ["image_model.", "flava.image_model.", ""] },
        Vit.For("beit", "data2vec-vision") with { Prefixes = ["{type}.", "", "beit."], Block = new() { Scale = "lambda_2" } },
        Vit.For("vitpose_backbone") with { WidthOf = Widths.Ratio("mlp_ratio"), Projections = Plain("mlp.", "fc1", "fc2"),
            OtherProjections = [Vit.Projections] },
        Vit.WithEpsilon(1e-6f).For("internvl_vision") with
        {
            Prefixes = ["", "vision_tower.", "internvl_vision."], Projections = Plain("mlp.", "fc1", "fc2"),
            Block = new() { Scale = "lambda_2" },
        },
        Swin.For("swin", "donut-swin", "maskformer-swin"),
        Swin.For("clap_audio_model") with
        {
            Tower = CheckpointTower.Audio, Prefixes = ["audio_encoder.", "audio_model.audio_encoder.", ""],
            Map = static config => Stages(config, "patch_embeds_hidden_size"),
        },

        // Version 2 norms the network's result and not its input.
        Swin.For("swinv2") with { PreNorm = null, BranchNorm = Layer("layernorm_after") },

        ClipText.For("clip_text_model", "clipseg_text_model", "xclip_text_model", "owlvit_text_model", "owlv2_text_model",
            "groupvit_text_model", "metaclip_2_text_model"),
        ClipText.WithEpsilon(1e-6f).For("siglip_text_model", "siglip2_text_model") with { Activation = "gelu_pytorch_tanh" },
        Clip.For("clip_vision_model", "clipseg_vision_model", "xclip_vision_model", "owlvit_vision_model", "owlv2_vision_model",
            "chinese_clip_vision_model", "altclip_vision_model", "git_vision_model", "kosmos_2_vision_model",
            "metaclip_2_vision_model"),
        Clip.For("groupvit_vision_model") with { Activation = "gelu" },
        Siglip.For("siglip_vision_model", "siglip2_vision_model", "idefics2_vision", "idefics3_vision", "smolvlm_vision",
            "paddleocr_vl_vision",
            "cosmos3_edge_vision", "video_llama_3_vision", "minicpmv4_6_vision", "phi4_multimodal_vision"),
        Blip.For("blip_vision_model"),
        Blip.WithEpsilon(1e-6f).For("blip_2_vision_model", "instructblip_vision_model", "instructblipvideo_vision_model"),
        Blip.WithEpsilon(1e-6f).For("janus_vision_model") with { WidthOf = Widths.Ratio("mlp_ratio") },
        Blip.For("idefics_vision") with { DModelKey = "embed_dim|hidden_size" },
        Blip.For("llama4_vision_model") with
        {
            Layers = [new("layers.{0}.", "num_hidden_layers")],
            Prefixes = ["model.", "", "vision_model.model."],
            Epsilon = new(1e-5f),
            PreNorm = Layer("post_attention_layernorm"),
        },
        Blip.For("mllama_vision_model") with
        {
            Layers = [new("transformer.layers.{0}.", "num_hidden_layers")],
            Prefixes = ["", "vision_model."],
            Epsilon = new(1e-5f, "norm_eps"),
            PreNorm = Layer("post_attention_layernorm"),
            Block = new() { TanhGate = "gate_ffn" },
        },
        Dino.For("dinov2", "dinov2_with_registers", "pixio", "tipsv2_vision_model", "rf_detr_dinov2"),
        Clip.For("dinov3_vit") with
        {
            Layers = [new("layer.{0}.", "num_hidden_layers")],
            Prefixes = ["", "dinov3_vit.", "model."],
            Activation = "gelu",
            Bias = new(null, "mlp_bias"),
            Projections = Plain("mlp.", "up_proj", "down_proj"),
            PreNorm = Layer("norm2"),
            Block = new() { Scale = "layer_scale2.lambda1" },
            Adapt = static (family, config) => config.Flag(new(false, "use_gated_mlp")) ? family with { Projections = Llama("mlp.") }
                : family,
        },
        Sam.For("sam_vision_model", "sam_hq_vision_model", "deepseek_ocr2_sam_vision_model"),
        Clip.WithEpsilon(1e-6f).For("sam3_vit_model") with
        {
            Layers = [new("layers.{0}.", "num_hidden_layers")], Prefixes = ["", "backbone."], Activation = "gelu",
            Block = new() { Scale = "layer_scale2.lambda1" },
        },
        Dino.For("vjepa2") with { Prefixes = ["", "vjepa2."], Block = new(), Adapt = null },
        QwenVision.For("qwen2_vl_vision") with { DModelKey = "embed_dim|hidden_size", WidthOf = Widths.Ratio("mlp_ratio") },
        QwenVision.For("qwen2_5_vl_vision", "qwen2_5_omni_vision_encoder", "exaone4_5_vision") with
        {
            Activation = "silu", Bias = new(null), Projections = Llama("mlp."), PreNorm = Rms("norm2"),
        },
        QwenVision.For("qwen3_vl_vision", "qwen3_vl_moe_vision", "qwen3_5_vision", "qwen3_5_moe_vision",
            "qwen3_omni_moe_vision_encoder") with
        {
            Activation = "gelu_pytorch_tanh", Projections = Plain("mlp.", "linear_fc1", "linear_fc2"),
        },
        QwenVision.For("glm4v_vision", "glm4v_moe_vision") with
        {
            DFfKey = "out_hidden_size", Activation = "silu", Bias = new(null), Epsilon = new(1e-5f, "rms_norm_eps"),
            Projections = Llama("mlp."), PreNorm = Rms("norm2"),
        },
        QwenVision.For("kimi_k25_vision") with
        {
            Layers = [new("encoder.blocks.{0}.", "num_hidden_layers|vt_num_hidden_layers")],
            Activation = "gelu_pytorch_tanh", Epsilon = new(1e-5f), Projections = Plain("mlp.", "fc0", "fc1"), PreNorm = Layer("norm1"),
        },
        Clip.For("pixtral") with
        {
            Layers = [new("transformer.layers.{0}.", "num_hidden_layers")], Prefixes = ["", "vision_tower.", "vision_encoder."],
            Activation = "gelu", Bias = new(false), Epsilon = new(1e-5f), Projections = Llama("feed_forward."), PreNorm = Rms("ffn_norm"),
        },
        Aimv2("aimv2_vision_model", CheckpointTower.Vision),
        Aimv2("aimv2_text_model", CheckpointTower.Text),
        new("pix2struct_vision_model")
        {
            Tower = CheckpointTower.Vision, DFfKey = "d_ff", Layers = [new("layer.{0}.", "num_hidden_layers")],
            Prefixes = ["encoder.encoder.", "encoder.", "vision_model.encoder."],
            ActivationKey = "dense_act_fn", Activation = "gelu_new", Epsilon = new(1e-6f, "layer_norm_eps"),
            Projections = Gated("mlp.", "wi_0", "wi_1", "wo"), PreNorm = Rms("pre_mlp_layer_norm"),
        },
    ];

    private static FfnFamily Aimv2(string type, CheckpointTower tower) => new(type)
    {
        Tower = tower,
        Layers = [new("encoder.layers.{0}.", "num_hidden_layers")],
        Prefixes = ["", tower == CheckpointTower.Text ? "text_model." : "vision_model.", "aimv2."],
        Bias = new(null, "mlp_bias"),
        Epsilon = new(1e-5f, "rms_norm_eps"),
        Projections = Llama("ffn."),
        PreNorm = Rms("rms_norm2", "ffn_norm"),
    };

    // Every stage is twice as wide as the one before it.
    private static LayerMap Stages(CheckpointConfig config) => Stages(config, "embed_dim");

    private static LayerMap Stages(CheckpointConfig config, string widthKey)
    {
        int width = config.Size(widthKey, 96);
        (int Stage, int Block)[] layers = LayerMap.Stages(config, "depths", [2, 2, 6, 2]);
        return new LayerMap(
            layers.Length,
            layer => FormattableString.Invariant($"encoder.layers.{layers[layer].Stage}.blocks.{layers[layer].Block}."),
            layer => width << layers[layer].Stage);
    }
}
