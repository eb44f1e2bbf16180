using System.Collections.Frozen;
using System.Text.Json;
using NativeFfn.Checkpoints.Families;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>Makes a row of <see cref="FamilyCatalog"/> one of GGUF: every architecture has the same names and keys there.</summary>
/// <remarks>
/// The activation follows from the architecture and has no key. Writers of GGUF turn GPT-2's matrices, add the 1 to norms scaled by (1 + w),
/// and leave gate and up fused where they were.
/// </remarks>
internal static class GgufModel
{
    // Architectures whose layers are those of the family; llama is Mixtral's too.
    private static readonly FrozenSet<string> Architectures = new[] { "llama", "qwen2", "qwen3", "gemma", "gemma2", "phi3", "gpt2", "arcee" }.ToFrozenSet();

    /// <summary>The model of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="metadata">Its metadata.</param>
    /// <param name="hasTensor">Whether the file has a tensor.</param>
    public static StoredModel Read(string path, Dictionary<string, JsonElement> metadata, Func<string, bool> hasTensor)
    {
        const string architectureKey = "general.architecture";
        var config = new CheckpointConfig(path, metadata);
        string architecture = config.Text(architectureKey);
        if (config.Has("split.count") && config.Count("split.count") > 1)
        {
            throw config.Wrong("split.count", $"{config.Count("split.count")}: the file is one of several parts. Merge them into one file first");
        }

        if (!Architectures.Contains(architecture))
        {
            throw config.Wrong(
                architectureKey, $"{CheckpointText.Quote(architecture)}, which is not read from GGUF; supported are {string.Join(", ", Architectures.Order(StringComparer.Ordinal))}");
        }

        string experts = architecture + ".expert_count";
        bool isMixture = config.Has(experts) && config.Count(experts) > 0;
        if (isMixture && architecture != "llama")
        {
            throw config.Wrong(experts, $"{config.Count(experts)}; mixtures of experts of this architecture are not read from GGUF");
        }

        FfnFamily family = FamilyCatalog.Find(isMixture ? "mixtral" : architecture)!;
        return new StoredModel(architecture, Rename(family, architecture, config, hasTensor), config);
    }

    private static FfnFamily Rename(FfnFamily family, string architecture, CheckpointConfig config, Func<string, bool> hasTensor) => family with
    {
        DModelKey = architecture + ".embedding_length",
        DFfKey = architecture + ".feed_forward_length",
        Expansion = null,
        Layers = [new("blk.{0}.", architecture + ".block_count")],
        Prefixes = [""],
        ActivationKeys = [],
        Bias = new(family.Bias.Key is null ? family.Bias.Absent : hasTensor("blk.0.ffn_up.bias")),
        Projections = Rename(family.Projections),
        PreNorm = Rename(family.PreNorm, "ffn_norm", architecture, config),
        BranchNorm = Rename(family.BranchNorm, "post_ffw_norm", architecture, config),
        Mixture = family.Mixture is null ? null : family.Mixture with
        {
            ExpertsKey = architecture + ".expert_count",
            ExpertsAlias = architecture + ".expert_count",
            TopKKey = architecture + ".expert_used_count",
            DFfKey = architecture + ".feed_forward_length",
            Experts = [new("ffn_gate_inp", new(Stack("ffn_gate_exps"), Stack("ffn_up_exps"), Stack("ffn_down_exps")))],
        },
        Only = [],
        Adapt = null,
    };

    private static StoredProjections Rename(StoredProjections projections) => projections.Gate switch
    {
        null => new(null, new("ffn_up"), new("ffn_down")),
        { Layout: ProjectionLayout.OutIn } => new(new("ffn_gate"), new("ffn_up"), new("ffn_down")),
        { Layout: var gate } => new(new("ffn_up", gate), new("ffn_up", projections.Up.Layout), new("ffn_down")),
    };

    private static StoredProjection Stack(string name) => new(name) { IsStack = true };

    private static FamilyNorm? Rename(FamilyNorm? norm, string name, string architecture, CheckpointConfig config)
    {
        if (norm is null)
        {
            return null;
        }

        string key = architecture + (norm.Kind == NormKind.Layer ? ".attention.layer_norm_epsilon" : ".attention.layer_norm_rms_epsilon");
        return config.Has(key) ? new FamilyNorm(name, norm.Kind, new(0, key)) : throw config.Wrong(key, "absent, but a model of its architecture needs it");
    }
}
