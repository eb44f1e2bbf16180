using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>How a projection's matrix lies in its tensor.</summary>
internal enum ProjectionLayout
{
    /// <summary>The whole tensor, <c>[out, in]</c>, as <c>nn.Linear</c> has it.</summary>
    OutIn,

    /// <summary>The whole tensor, <c>[in, out]</c>, as GPT-2's <c>Conv1D</c> has it.</summary>
    InOut,

    /// <summary>The first half of the rows of <c>[2 · out, in]</c>.</summary>
    FirstHalf,

    /// <summary>The second half of the rows of <c>[2 · out, in]</c>.</summary>
    SecondHalf,
}

/// <summary>A projection in a checkpoint.</summary>
/// <param name="Name">Its tensors' name after the layer's path, without <c>.weight</c> or <c>.bias</c>.</param>
/// <param name="Layout">How the matrix lies there.</param>
internal sealed record StoredProjection(string Name, ProjectionLayout Layout = ProjectionLayout.OutIn);

/// <summary>A norm in a checkpoint.</summary>
/// <param name="Name">Its tensors' name after the layer's path, without <c>.weight</c> or <c>.bias</c>.</param>
/// <param name="Norm">Its formula.</param>
internal sealed record StoredNorm(string Name, NormSpec Norm);

/// <summary>What a family makes of a configuration: the layers' formula, and the names that their tensors have.</summary>
internal sealed record FamilyLayout
{
    /// <summary>Shape and formula of every layer, without norms.</summary>
    public required FfnSpec Spec { get; init; }

    /// <summary>Layers in the model.</summary>
    public required int LayerCount { get; init; }

    /// <summary>What may stand before a layer's path, tried in order: base models leave out the name of the part that they are.</summary>
    public ImmutableArray<string> Prefixes { get; init; } = [""];

    /// <summary>The path of a layer by its index, ending in a dot.</summary>
    public required Func<int, string> LayerPath { get; init; }

    /// <summary>The activated projection of a gated layer; null in a plain one.</summary>
    public StoredProjection? Gate { get; init; }

    /// <summary>The linear projection of a gated layer, the activated one of a plain layer.</summary>
    public required StoredProjection Up { get; init; }

    /// <summary>The projection back to d_model.</summary>
    public required StoredProjection Down { get; init; }

    /// <summary>The norm before the network.</summary>
    public StoredNorm? PreNorm { get; init; }

    /// <summary>The norm on the network's result, before the residual is added.</summary>
    public StoredNorm? BranchNorm { get; init; }

    /// <summary>The norm after the residual was added.</summary>
    public StoredNorm? PostNorm { get; init; }

    /// <summary>Why these models have no feed-forward half of a block, or null where they have.</summary>
    public string? WhyNoBlock { get; init; }

    /// <summary>Every projection there is.</summary>
    public IEnumerable<StoredProjection> Projections => Gate is null ? [Up, Down] : [Gate, Up, Down];

    /// <summary>The projection that a tensor of <see cref="Spec"/> belongs to.</summary>
    public StoredProjection ProjectionOf(FfnTensor tensor) => tensor switch
    {
        { Stage: 1 } => Down,
        { Role: FfnTensorRole.UpWeight or FfnTensorRole.UpBias } => Up,
        _ => Gate ?? Up,
    };
}
