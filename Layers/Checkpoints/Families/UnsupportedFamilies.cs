namespace NativeFfn.Checkpoints.Families;

/// <summary>Families that are known well enough to say why this version does not run them.</summary>
internal static class UnsupportedFamilies
{
    private const string TwoNetworks = "whose layers have two networks of half weight around attention";

    /// <summary>The reason, which follows the type and a comma; null for a type that nothing is known of.</summary>
    public static string? WhyNot(string type) => type switch
    {
        "wav2vec2-bert" or "wav2vec2-conformer" or "seamless_m4t_speech" or "parakeet_encoder" or "lasr_encoder" or "granite_speech_encoder"
            or "gemma3n_audio" or "gemma4_audio" or "phi4_multimodal_audio" => TwoNetworks,
        "mamba" or "mamba2" or "falcon_mamba" or "xlstm" => "whose layers have no feed-forward network",
        "rwkv" or "rwkv6" or "rwkv7" => "whose channel mixing looks at the token before, and so is no feed-forward network",
        "zamba" or "zamba2" => "whose layers share one network, changed by a matrix of each layer's own",
        "moshi_depth" => "whose networks have matrices of their own for each codebook",
        "mobilebert" => "whose layers have four networks in a bottleneck",
        "squeezebert" or "convbert" => "whose projections are convolutions in groups",
        "ibert" => "whose arithmetic is in integers",
        "segformer" or "glpn" or "pvt_v2" => "whose networks have a convolution inside",
        "levit" => "whose norms are folded batch norms",
        "gemma4_vision" => "whose projections clamp what they take and give",
        "longcat_flash" => "whose router knows experts that do nothing, beside two dense networks in a layer",
        "deepseek_v4" => "whose residual is several streams, and whose first layers choose experts by the token",
        "arctic" => "whose layers add a dense network and a mixture of another row",
        "klear" or "Klear" => "whose routed and shared experts are mixed by a learned choice",
        "ernie4_5_vl_moe" => "whose tokens of text and of images have experts of their own",
        "step3p5" or "step3p7" => "whose networks clamp what the activation gives, in each layer at another limit",
        "grok" or "grok-1" or "grok-2" => "whose experts are stored in parts that must be joined first",
        "grovemoe" => "whose experts share further experts in pairs",
        "smallthinker" => "whose router reads what attention was given",
        "switch_transformers" or "nllb-moe" => "whose experts have a capacity beyond which tokens pass unchanged",
        "nomic_bert_moe" => "whose experts share one bias",
        "cogvlm" => "whose tokens of text and of images have networks of their own",
        "inkling" or "inkling_text" or "zaya" or "axk2" or "openai_privacy_filter" =>
            "a mixture of experts whose routing this version does not know",
        "olmo_hybrid" => "whose norms stand before the network in some layers and after it in others",
        "voxtral_realtime_text" => "whose norms change with time",
        "hrm_text" => "whose layers are run in two nested loops",
        _ when type.EndsWith("moe", StringComparison.Ordinal) || type.StartsWith("deepseek", StringComparison.Ordinal) =>
            "a mixture of experts whose routing this version does not know",
        _ => null,
    };
}
