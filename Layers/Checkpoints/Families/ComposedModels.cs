using System.Collections.Immutable;
using static NativeFfn.Checkpoints.CheckpointTower;

namespace NativeFfn.Checkpoints.Families;

/// <summary>A part of a composed model.</summary>
/// <param name="Tower">What the part is.</param>
/// <param name="ConfigKey">The key of its configuration; empty where that is the model's own.</param>
/// <param name="Type">The row that it is where its configuration names none of its own.</param>
internal sealed record ModelPart(CheckpointTower Tower, string ConfigKey, string Type)
{
    /// <summary>What the model sets before the part's own prefixes; by default all that models set before such a tower.</summary>
    public ImmutableArray<string> Outer { get; init; } = ComposedModels.OuterOf(Tower);

    /// <summary>Whether the model's own configuration has the part's numbers where it has no such object.</summary>
    public bool MayBeFlat { get; init; }
}

/// <summary>A model of several towers, each of which is a row of the table.</summary>
/// <param name="ModelType">The configuration's <c>model_type</c>.</param>
/// <param name="Parts">Its towers; the first is the one that is opened where none is asked for.</param>
internal sealed record ComposedModel(string ModelType, params ImmutableArray<ModelPart> Parts);

/// <summary>The models that are composed of towers.</summary>
internal static class ComposedModels
{
    /// <summary>Every composed model.</summary>
    public static ImmutableArray<ComposedModel> All { get; } =
    [
        // A language model that sees.
        .. Sees("llama", "clip_vision_model", "llava", "llava_next", "llava_next_video", "vipllava"),
        new("video_llava", SeeingText("llama"), new(Vision, "vision_config", "clip_vision_model")
        {
            Outer = ["image_tower.", "model.image_tower."],
        }),
        .. Sees("qwen2", "siglip_vision_model", "llava_onevision"),
        .. Sees("gemma", "siglip_vision_model", "paligemma"),
        new(
            "colpali",
            new(Text, "vlm_config.text_config", "gemma") { Outer = ["vlm.language_model.", "vlm.model.language_model."] },
            new(Vision, "vlm_config.vision_config", "siglip_vision_model") { Outer = ["vlm.vision_tower.", "vlm.model.vision_tower."] }),
        .. Sees("gemma3_text", "siglip_vision_model", "gemma3"),
        .. Sees("mistral", "pixtral", "mistral3"),
        .. Sees("mistral", "idefics2_vision", "idefics2"),
        .. Sees("llama", "idefics3_vision", "idefics3"),
        .. Sees("llama", "smolvlm_vision", "smolvlm"),
        .. Sees("aria_text", "idefics3_vision", "aria"),
        .. Sees("llama", "siglip_vision_model", "deepseek_vl"),
        .. Sees("llama", "janus_vision_model", "janus"),
        .. Sees("cohere2", "siglip_vision_model", "aya_vision", "cohere2_vision"),
        .. Sees("cohere_compass_text", "", "cohere_compass"),
        .. Sees("qwen2", "internvl_vision", "internvl"),
        .. Sees("qwen3", "pixtral", "lighton_ocr"),
        .. Sees("lfm2", "siglip2_vision_model", "lfm2_vl"),
        .. Sees("llama4_text", "llama4_vision_model", "llama4"),
        .. Sees("mllama_text_model", "mllama_vision_model", "mllama"),
        .. Sees("qwen2_vl_text", "qwen2_vl_vision", "qwen2_vl"),
        .. Sees("qwen2_5_vl_text", "qwen2_5_vl_vision", "qwen2_5_vl"),
        .. Sees("qwen3_vl_text", "qwen3_vl_vision", "qwen3_vl"),
        .. Sees("qwen3_vl_moe_text", "qwen3_vl_moe_vision", "qwen3_vl_moe"),
        .. Sees("qwen3_5_text", "qwen3_5_vision", "qwen3_5"),
        .. Sees("qwen3_5_moe_text", "qwen3_5_moe_vision", "qwen3_5_moe"),
        .. Sees("glm4v_text", "glm4v_vision", "glm4v"),
        .. Sees("glm4v_moe_text", "glm4v_moe_vision", "glm4v_moe"),
        .. Sees("deepseek_v3", "kimi_k25_vision", "kimi_vl", "kimi_k25"),
        .. Sees("ernie4_5", "paddleocr_vl_vision", "paddleocr_vl"),
        .. Sees("llama", "idefics_vision", "idefics"),
        .. Sees("persimmon", "", "fuyu"),
        .. Sees("emu3_text_model", "", "emu3"),
        .. Sees("hunyuan_vl_text", "", "hunyuan_vl"),
        .. Sees("gemma3n_text", "", "gemma3n"),
        .. Sees("gemma4_text", "", "gemma4"),
        .. Sees("gemma4_unified_text", "", "gemma4_unified"),
        .. Sees("glm_ocr_text", "", "glm_ocr"),
        .. Sees("qwen2", "", "got_ocr2"),
        .. Sees("minimax_m3_vl_text", "", "minimax_m3_vl"),
        .. Sees("exaone4", "exaone4_5_vision", "exaone4_5"),
        new("kosmos-2", SeeingText("kosmos_2_text_model"), new(Vision, "vision_config", "kosmos_2_vision_model")
        {
            Outer = ["vision_model.model.", "model.vision_model.model."],
        }),
        .. Sees("kosmos_2_5_text_model", "", "kosmos-2.5"),

        // One that hears, or both.
        .. Hears("qwen2", "qwen2_audio_encoder", "qwen2_audio"),
        .. Hears("qwen2", "audioflamingo3_encoder", "audioflamingo3"),
        .. Hears("llama", "voxtral_encoder", "voxtral"),
        .. Hears("llama", "glmasr_encoder", "glmasr"),
        new(
            "qwen2_5_omni", Thinker(Text, "text_config", "qwen2_5_omni_text", "model."),
            Thinker(Vision, "vision_config", "qwen2_5_omni_vision_encoder", "visual."),
            Thinker(Audio, "audio_config", "qwen2_5_omni_audio_encoder", "audio_tower.")),
        new(
            "qwen3_omni_moe", Thinker(Text, "text_config", "qwen3_omni_moe_text", "model."),
            Thinker(Vision, "vision_config", "qwen3_omni_moe_vision_encoder", "visual."),
            Thinker(Audio, "audio_config", "qwen3_omni_moe_audio_encoder", "audio_tower.")),

        // Two towers side by side.
        .. Sees("clip_text_model", "clip_vision_model", "clip"),
        .. Sees("metaclip_2_text_model", "metaclip_2_vision_model", "metaclip_2"),
        .. Sees("clipseg_text_model", "clipseg_vision_model", "clipseg"),
        .. Sees("xclip_text_model", "xclip_vision_model", "xclip"),
        .. Sees("owlvit_text_model", "owlvit_vision_model", "owlvit"),
        .. Sees("owlv2_text_model", "owlv2_vision_model", "owlv2"),
        .. Sees("groupvit_text_model", "", "groupvit"),
        .. Sees("chinese_clip_text_model", "chinese_clip_vision_model", "chinese_clip"),
        .. Sees("altclip_text_model", "altclip_vision_model", "altclip"),
        .. Sees("siglip_text_model", "siglip_vision_model", "siglip"),
        .. Sees("siglip2_text_model", "siglip2_vision_model", "siglip2"),
        .. Sees("aimv2_text_model", "aimv2_vision_model", "aimv2"),
        .. Sees("align_text_model", "", "align"),
        .. Sees("flava_text_model", "", "flava"),
        .. Sees("blip_text_model", "blip_vision_model", "blip"),
        .. Sees("opt", "blip_2_vision_model", "blip-2"),
        .. Sees("opt", "instructblip_vision_model", "instructblip"),
        .. Sees("opt", "instructblipvideo_vision_model", "instructblipvideo"),
        new("git", SeeingText("bert"), new(Vision, "vision_config", "git_vision_model") { Outer = ["image_encoder.", ""] }),
        .. Sees("pix2struct_text_model", "pix2struct_vision_model", "pix2struct"),
        .. Hears("clap_text_model", "clap_audio_model", "clap"),
        new("sam", new ModelPart(Vision, "vision_config", "sam_vision_model")),
        new("sam_hq", new ModelPart(Vision, "vision_config", "sam_hq_vision_model")),

        // Encoders and decoders that are rows of their own.
        .. Pairs("encoder", "decoder", "t5_gemma_module", "t5_gemma_module", "t5gemma"),
        .. Pairs("encoder.text_config", "decoder", "t5gemma2_text", "t5gemma2_decoder", "t5gemma2"),
        .. Pairs("encoder_config", "decoder_config", "dia_encoder", "dia_decoder", "dia"),
        .. Pairs("encoder", "decoder", "bert", "bert", "encoder-decoder"),
        .. Pairs("encoder", "decoder", "vit", "gpt2", "vision-encoder-decoder"),
        .. Pairs("encoder", "decoder", "wav2vec2", "bart", "speech-encoder-decoder"),
        .. Pairs("text_encoder", "decoder", "t5", "musicgen_decoder", "musicgen"),
        .. Pairs("text_encoder", "decoder", "t5", "musicgen_melody_decoder", "musicgen_melody"),
        .. Pairs("", "", "moonshine_encoder", "moonshine_decoder", "moonshine"),
    ];

    /// <summary>What models set before the prefixes of a tower's own.</summary>
    public static ImmutableArray<string> OuterOf(CheckpointTower tower) => tower switch
    {
        Text =>
            ["", "language_model.", "model.language_model.", "model.", "text_model.", "model.text_model.", "text_decoder.", "llm.",
                "model.llm."],
        Vision =>
        [
            "", "vision_model.", "vision_tower.", "model.vision_tower.", "model.vision_model.", "visual.", "model.visual.",
            "vision_encoder.",
            "model.vision_encoder.", "model.", "model.vision_tower.vision_tower.",
        ],
        Audio => ["", "audio_tower.", "model.audio_tower.", "audio_model.", "audio_encoder.", "model.encoder.", "model."],
        Encoder => ["encoder.", "model.encoder.", "text_encoder.", ""],
        _ => ["decoder.", "model.decoder.", "", "model."],
    };

    private static IEnumerable<ComposedModel> Sees(string text, string vision, params ImmutableArray<string> types) =>
        Of(types, SeeingText(text), vision.Length == 0 ? null : new(Vision, "vision_config", vision));

    private static ModelPart SeeingText(string type) => new(Text, "text_config|llm_config|language_config", type) { MayBeFlat = true };

    private static IEnumerable<ComposedModel> Hears(string text, string audio, params ImmutableArray<string> types) =>
        Of(types, new(Text, "text_config", text) { MayBeFlat = true }, new(Audio, "audio_config", audio));

    private static IEnumerable<ComposedModel> Pairs(string encoderKey, string decoderKey, string encoder, string decoder, string type) =>
        Of([type], new(Encoder, encoderKey, encoder), new(Decoder, decoderKey, decoder));

    private static IEnumerable<ComposedModel> Of(ImmutableArray<string> types, ModelPart first, ModelPart? second) =>
        types.Select(type => new ComposedModel(type, second is null ? [first] : [first, second]));

    private static ModelPart Thinker(CheckpointTower tower, string key, string type, string prefix) =>
        new(tower, $"thinker_config.{key}|{key}", type) { Outer = ["thinker." + prefix, "thinker.", prefix, ""] };
}
