using System.Collections.Frozen;
using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>An architecture of GGUF files, as a name for a row of the table.</summary>
/// <param name="Name">The file's <c>general.architecture</c>.</param>
/// <param name="Type">The <c>model_type</c> whose row the architecture is.</param>
internal sealed record GgufArchitecture(string Name, string Type)
{
    /// <summary>The row of a file that has experts; null where that is the same row.</summary>
    public string? MixtureType { get; init; }

    /// <summary>The names of the norm before the network.</summary>
    public ImmutableArray<string> PreNorm { get; init; } = ["ffn_norm"];

    /// <summary>The numbers of the activation where the metadata has them, by layer; null where it is as in the row.</summary>
    public Func<CheckpointConfig, int, ActivationParameters>? Parameters { get; init; }

    /// <summary>The formula of the norms where llama.cpp has another than the model's own code; null where it is as in the row.</summary>
    public NormKind? NormKind { get; init; }

    /// <summary>
    /// Whether the chosen experts' weights are divided by their sum where no key says so; null where it is as in the row.
    /// </summary>
    public bool? Renormalize { get; init; }

    /// <summary>How logits become scores where no key says so; null where it is as in the row.</summary>
    public RouterScoring? Scoring { get; init; }
}

/// <summary>The architectures of GGUF that are read. Their names and those of the norms are llama.cpp's.</summary>
internal static class GgufArchitectures
{
    private static readonly ImmutableArray<string> AfterAttention = ["post_attention_norm"];
    private static readonly ImmutableArray<string> BeforeAttention = ["attn_norm"];
    private static readonly ImmutableArray<string> OfAttention = ["attn_norm_2", "attn_norm"];

    private static readonly FrozenDictionary<string, GgufArchitecture> ByName =
        All.ToFrozenDictionary(static architecture => architecture.Name);

    /// <summary>Every architecture.</summary>
    public static ImmutableArray<GgufArchitecture> All =>
    [
        new("llama", "llama") { MixtureType = "mixtral" },
        new("mistral3", "ministral3") { MixtureType = "mixtral" },
        new("mistral4", "mistral4"),
        new("qwen", "qwen"),
        new("qwen2", "qwen2"),
        new("qwen2vl", "qwen2_vl_text"),
        new("qwen2moe", "qwen2_moe"),
        new("qwen3", "qwen3"),
        new("qwen3vl", "qwen3_vl_text"),
        new("qwen3moe", "qwen3_moe") { Renormalize = true },
        new("qwen3vlmoe", "qwen3_vl_moe_text"),
        new("qwen3next", "qwen3_next") { PreNorm = AfterAttention },
        new("qwen35", "qwen3_5_text") { PreNorm = AfterAttention },
        new("qwen35moe", "qwen3_5_moe_text") { PreNorm = AfterAttention },
        new("gemma", "gemma"),
        new("gemma2", "gemma2"),
        new("gemma3", "gemma3_text"),
        new("gemma-embedding", "gemma3_text"),
        new("gemma4", "gemma4_text"),
        new("phi2", "phi") { PreNorm = OfAttention },
        new("phi3", "phi3"),
        new("phimoe", "phimoe"),
        new("gpt2", "gpt2"),
        new("gptneox", "gpt_neox"),
        new("starcoder", "gpt_bigcode"),
        new("starcoder2", "starcoder2"),
        new("codeshell", "codeshell"),
        new("refact", "gpt_refact") { NormKind = NativeFfn.NormKind.Rms },
        new("bloom", "bloom"),
        new("mpt", "mpt"),
        new("falcon", "falcon") { PreNorm = OfAttention },
        new("arcee", "arcee"),
        new("nemotron", "nemotron"),
        new("nemotron_h", "nemotron_h") { PreNorm = BeforeAttention },
        new("nemotron_h_moe", "nemotron_h") { PreNorm = BeforeAttention },
        new("apertus", "apertus") { Parameters = Xielu },

        // The factors that the model multiplies with are in the weights.
        new("falcon-h1", "bamba"),
        new("jais", "jais"),
        new("jais2", "jais2"),
        new("plm", "plm"),
        new("plamo", "plamo") { PreNorm = OfAttention },
        new("plamo2", "plamo2"),
        new("plamo3", "plamo3"),
        new("olmo", "olmo"),
        new("olmo2", "olmo2"),
        new("olmoe", "olmoe"),
        new("exaone", "exaone"),
        new("exaone4", "exaone4"),
        new("exaone-moe", "exaone_moe"),
        new("granite", "granite"),
        new("granitemoe", "granitemoeshared"),
        new("minicpm", "minicpm"),
        new("command-r", "cohere") { PreNorm = OfAttention },
        new("cohere2", "cohere2") { PreNorm = OfAttention },
        new("stablelm", "stablelm"),
        new("bitnet", "bitnet"),
        new("internlm2", "internlm2"),
        new("baichuan", "baichuan"),
        new("xverse", "xverse"),
        new("orion", "orion"),
        new("smollm3", "smollm3"),
        new("seed_oss", "seed_oss") { PreNorm = AfterAttention },
        new("ernie4_5", "ernie4_5"),
        new("ernie4_5-moe", "ernie4_5_moe"),
        new("paddleocr", "paddleocr_vl_text"),
        new("hunyuan-dense", "hunyuan_v1_dense"),
        new("hunyuan_vl", "hunyuan_vl_text"),
        new("hunyuan-moe", "hunyuan_v1_moe"),
        new("hy_v3", "hy_v3"),
        new("pangu-embedded", "pangu_embedded"),
        new("maincoder", "maincoder"),
        new("dream", "dream"),
        new("llada", "llada"),
        new("llada-moe", "llada_moe"),
        new("rnd1", "rnd1") { Renormalize = true },
        new("deepseek", "deepseek"),
        new("deepseek2", "deepseek_v3") { Renormalize = false, Scoring = RouterScoring.Softmax },
        new("deepseek32", "deepseek_v32") { Renormalize = false },
        new("dots1", "dots1"),
        new("glm4", "glm4"),
        new("glm4moe", "glm4_moe") { PreNorm = AfterAttention },
        new("glm-dsa", "glm_moe_dsa"),
        new("chatglm", "chatglm"),
        new("gpt-oss", "gpt_oss") { PreNorm = AfterAttention },
        new("bailingmoe", "bailing_moe"),
        new("bailingmoe2", "bailing_moe_v2"),
        new("lfm2", "lfm2"),
        new("lfm2moe", "lfm2_moe"),
        new("jamba", "jamba"),
        new("mimo2", "mimo_v2_flash"),
        new("minimax-m2", "minimax_m2"),
        new("mellum", "mellum"),
        new("afmoe", "afmoe"),
        new("laguna", "laguna"),
        new("kimi-linear", "kimi_linear"),
        new("llama4", "llama4_text"),
        new("dbrx", "dbrx") { PreNorm = ["attn_output_norm"] },
        new("openelm", "openelm"),
        new("deci", "deci"),
        new("eurobert", "eurobert"),
        new("rwkv6qwen2", "rwkv6qwen2"),
        new("arwkv7", "arwkv7"),
        new("bert", "bert"),
        new("nomic-bert", "nomic_bert"),
        new("jina-bert-v3", "jina_embeddings_v3"),
        new("modern-bert", "modernbert"),
        new("neo-bert", "neobert"),
        new("t5", "t5"),
        new("t5encoder", "t5"),
    ];

    /// <summary>The architecture of a name, or null.</summary>
    public static GgufArchitecture? Find(string name) => ByName.GetValueOrDefault(name);

    // As the model's own tensors have them, a list of each, or a number where all layers have the same.
    private static ActivationParameters Xielu(CheckpointConfig config, int layer) =>
        PlainFamilies.Xielu(name => config.Has("xielu." + name) ? config.FactorAt("xielu." + name, layer, 0) : null);
}
