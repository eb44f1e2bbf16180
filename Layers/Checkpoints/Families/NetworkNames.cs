using System.Collections.Frozen;

namespace NativeFfn.Checkpoints.Families;

/// <summary>What the first part of a tensor's name after the layer's path tells of a tensor that the family has no place for.</summary>
internal static class NetworkNames
{
    // Names that are a network's in some family and another part of the layer in another.
    private static readonly FrozenSet<string> OfSeveralMeanings = new[]
    {
        "input_layernorm", "post_attention_layernorm", "norm", "norm1", "layer_norm", "LayerNorm", "ln", "ln_1", "norm_attn_norm", "mixer",
        "layernorm",
        "attn_norm", "attn_norm_2", "post_attention_norm", "attn_output_norm", "attention_norm",
    }.ToFrozenSet();

    private static readonly string[] Attention = ["attn", "attention"];
    private static readonly string[] Words = ["mlp", "ffn", "ffw", "feed_forward", "feedforward", "moe", "expert", "adapter", "lora"];
    private static readonly string[] BlockWords = ["norm", "ln_", "scale", "lambda"];

    private static readonly FrozenSet<string> OfTheTable = FamilyCatalog.Rows.SelectMany(NamesOf).Select(static name => name.Split('.')[0])
        .Where(static name => !OfSeveralMeanings.Contains(name) && !HasAny(name, Attention)).ToFrozenSet();

    /// <summary>Whether it changes what a feed-forward network, or its half of a block, computes.</summary>
    public static bool Contains(string part) =>
        OfTheTable.Contains(part) || (HasAny(part, Words) && !HasAny(part, Attention) && !OfSeveralMeanings.Contains(part));

    /// <summary>Whether it is a norm or a scale.</summary>
    public static bool IsOfBlock(string part) => HasAny(part, BlockWords);

    private static IEnumerable<string> NamesOf(FfnFamily row) =>
    [
        .. row.OtherProjections.Prepend(row.Projections).SelectMany(static projections => projections.All).Select(static projection =>
            projection.Name),
        .. row.Norms.SelectMany(static norm => norm.Norm.Names).Where(static name => !name.StartsWith('/')),
        .. new[] { row.Block.Scale, row.Mixture?.SelectionBias, row.Mixture?.OutputBias, row.Mixture?.SharedGate }.OfType<string>(),
        .. row.Mixture?.Experts.SelectMany(static form =>
            form.Projections.All.Select(static projection => projection.Name).Append(form.Router)) ?? [],
        .. row.Mixture?.Shared?.All.Select(static projection => projection.Name) ?? [],
    ];

    private static bool HasAny(string part, string[] words) => words.Any(word => part.Contains(word, StringComparison.OrdinalIgnoreCase));
}
