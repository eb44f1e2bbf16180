using System.Collections.Frozen;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Every family that is supported. Another one is a row of <see cref="DenseFamilies"/> or <see cref="MixtureFamilies"/>.</summary>
internal static class FamilyCatalog
{
    private static readonly FrozenDictionary<string, FfnFamily> Families = DenseFamilies.All.Concat(MixtureFamilies.All)
        .SelectMany(static family => family.ModelTypes.Select(type => KeyValuePair.Create(type, family))).ToFrozenDictionary();

    /// <summary>The families' <c>model_type</c>s.</summary>
    public static IEnumerable<string> ModelTypes { get; } = [.. DenseFamilies.All.Concat(MixtureFamilies.All).SelectMany(static family => family.ModelTypes)];

    /// <summary>The family of a <c>model_type</c>, or null.</summary>
    public static FfnFamily? Find(string type) => Families.GetValueOrDefault(type);

    /// <summary>The family of a configuration, or an error that names its type and the supported ones.</summary>
    public static FfnFamily Find(CheckpointConfig config)
    {
        string type = config.Text("model_type");
        if (Find(type) is { } family)
        {
            return family;
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
