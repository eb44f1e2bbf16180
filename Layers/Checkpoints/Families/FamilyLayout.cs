using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>A norm in a checkpoint.</summary>
/// <param name="Name">Its tensors' name after the layer's path, without <c>.weight</c> or <c>.bias</c>.</param>
/// <param name="Norm">Its formula.</param>
internal sealed record StoredNorm(string Name, NormSpec Norm);

/// <summary>What a family makes of a configuration: the layers' formulas, and the names that their tensors have.</summary>
internal sealed record FamilyLayout
{
    /// <summary>The network of a layer by its index, in every form that writers store it in, tried in order; all have one formula.</summary>
    public required Func<int, ImmutableArray<StoredNetwork>> Networks { get; init; }

    /// <summary>Layers in the model.</summary>
    public required int LayerCount { get; init; }

    /// <summary>What may stand before a layer's path, tried in order: base models leave out the name of the part that they are.</summary>
    public required ImmutableArray<string> Prefixes { get; init; }

    /// <summary>The path of a layer by its index, ending in a dot.</summary>
    public required Func<int, string> LayerPath { get; init; }

    /// <summary>The norm before the network.</summary>
    public StoredNorm? PreNorm { get; init; }

    /// <summary>The norm on the network's result, before the residual is added.</summary>
    public StoredNorm? BranchNorm { get; init; }

    /// <summary>The norm after the residual was added.</summary>
    public StoredNorm? PostNorm { get; init; }

    /// <summary>Why these models have no feed-forward half of a block, or null where they have.</summary>
    public string? WhyNoBlock { get; init; }
}
