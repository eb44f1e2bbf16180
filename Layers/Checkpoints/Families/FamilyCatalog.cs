using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Every family that is supported.</summary>
internal static class FamilyCatalog
{
    private static readonly ImmutableArray<FfnFamily> Families =
    [
        LlamaFamily.Llama, LlamaFamily.Mistral, LlamaFamily.Qwen2, LlamaFamily.Qwen3, GemmaFamily.Gemma, GemmaFamily.Gemma2,
        Phi3Family.Phi3, Gpt2Family.Gpt2, BertFamily.Bert, T5Family.T5, OptFamily.Opt, FalconFamily.Falcon,
        MixtralFamily.Mixtral, QwenMoeFamily.Qwen2Moe, QwenMoeFamily.Qwen3Moe, DeepSeekFamily.DeepSeekV3,
    ];

    /// <summary>The families' <c>model_type</c>s.</summary>
    public static IEnumerable<string> ModelTypes => Families.Select(static family => family.ModelType);

    /// <summary>The family of a configuration, or an error that names its type and the supported ones.</summary>
    public static FfnFamily Find(CheckpointConfig config)
    {
        string type = config.Text("model_type");
        foreach (FfnFamily family in Families)
        {
            if (family.ModelType == type)
            {
                return family;
            }
        }

        string what = WhyNot(type) is { } reason ? $"{CheckpointText.Quote(type)}, {reason}" : $"the unknown type {CheckpointText.Quote(type)}";
        throw config.Wrong("model_type", $"{what}; supported are {string.Join(", ", ModelTypes)}");
    }

    // What is known well enough to say why it cannot be run.
    private static string? WhyNot(string type) => type switch
    {
        "gpt_oss" => "whose experts are stored with gate and up interleaved, have biases and clamp their hidden rows, which this version does not run",
        "dbrx" => "whose experts are stored in one matrix of another layout, which this version does not read",
        "deepseek_v2" => "whose groups of experts are scored by their best one and not by two, which this version does not run",
        _ when type.EndsWith("moe", StringComparison.Ordinal) || type.StartsWith("deepseek", StringComparison.Ordinal) =>
            "a mixture of experts whose routing this version does not know",
        _ => null,
    };
}
