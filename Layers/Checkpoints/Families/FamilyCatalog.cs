using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Every family that is supported.</summary>
internal static class FamilyCatalog
{
    private static readonly ImmutableArray<FfnFamily> Families =
    [
        LlamaFamily.Llama, LlamaFamily.Mistral, LlamaFamily.Qwen2, LlamaFamily.Qwen3, GemmaFamily.Gemma, GemmaFamily.Gemma2,
        Phi3Family.Phi3, Gpt2Family.Gpt2, BertFamily.Bert, T5Family.T5, OptFamily.Opt, FalconFamily.Falcon,
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

        string what = IsMixtureOfExperts(type)
            ? $"{CheckpointText.Quote(type)}, whose layers are mixtures of experts, which this version does not run"
            : $"the unknown type {CheckpointText.Quote(type)}";
        throw config.Wrong("model_type", $"{what}; supported are {string.Join(", ", ModelTypes)}");
    }

    private static bool IsMixtureOfExperts(string type) =>
        type is "mixtral" or "gpt_oss" or "dbrx" || type.EndsWith("moe", StringComparison.Ordinal) || type.StartsWith("deepseek", StringComparison.Ordinal);
}
