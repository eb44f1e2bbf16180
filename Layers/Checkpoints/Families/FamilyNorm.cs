using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>A norm of a family.</summary>
/// <param name="Kind">Its formula.</param>
/// <param name="Names">
/// Its tensors' names after the layer's path, without <c>.weight</c> or <c>.bias</c>, of which the first that a file has counts; one that
/// begins with a slash stands after the prefix instead, with <c>{0}</c> for the layer's index. None where the norm has no tensors.
/// </param>
internal sealed record FamilyNorm(NormKind Kind, params ImmutableArray<string> Names)
{
    /// <summary>What is added to the stored weight; Gemma stores w of (1 + w).</summary>
    public float WeightOffset { get; init; }

    /// <summary>Whether the norm has a bias; null where the file decides.</summary>
    public bool? HasBias { get; init; } = Kind == NormKind.Layer;

    /// <summary>ε, where it is another than that of the family's other norms.</summary>
    public Keyed<float>? Epsilon { get; init; }

    /// <summary>RMSNorm.</summary>
    public static FamilyNorm Rms(params ImmutableArray<string> names) => new(NormKind.Rms, names);

    /// <summary>RMSNorm whose weight is stored less 1.</summary>
    public static FamilyNorm RmsOnePlus(params ImmutableArray<string> names) => new(NormKind.Rms, names) { WeightOffset = 1 };

    /// <summary>LayerNorm with weight and bias.</summary>
    public static FamilyNorm Layer(params ImmutableArray<string> names) => new(NormKind.Layer, names);

    /// <summary>LayerNorm whose bias the file may leave out.</summary>
    public static FamilyNorm LayerWeight(params ImmutableArray<string> names) => new(NormKind.Layer, names) { HasBias = null };

    /// <summary>A norm without tensors.</summary>
    public static FamilyNorm Bare(NormKind kind) => new(kind) { HasBias = false };
}
