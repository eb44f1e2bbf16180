namespace NativeFfn;

/// <summary>How <see cref="FfnMode.Block"/> joins the network to the residual stream. Immutable; checked by <see cref="FfnSpec.WithBlockForm"/>.</summary>
/// <remarks>
/// <code>y = post(ResidualFactor · r + BranchFactor · s ⊙ branch(F(pre(x))))</code>
/// r is x, or pre(x) where <see cref="ResidualIsNormed"/>; s is a learned vector of d_model elements, or 1. The other modes have none of it.
/// </remarks>
public sealed record BlockForm
{
    /// <summary>The form of most transformers: <c>y = post(x + branch(F(pre(x))))</c>.</summary>
    public static BlockForm Plain { get; } = new();

    /// <summary>What the network's branch is multiplied with, such as Granite's residual multiplier; finite.</summary>
    public float BranchFactor { get; init; } = 1;

    /// <summary>What the residual is multiplied with, as MiniMax does; finite.</summary>
    public float ResidualFactor { get; init; } = 1;

    /// <summary>Whether the residual is pre(x) and not x, as in MiniMax and where BLOOM's switch is set.</summary>
    public bool ResidualIsNormed { get; init; }

    /// <summary>Whether the branch is multiplied with a learned vector, element by element, as in BEiT and DINOv2.</summary>
    public bool HasBranchScale { get; init; }

    /// <summary>Whether something is multiplied: the branch, or the residual.</summary>
    internal bool Scales => HasBranchScale || BranchFactor != 1 || ResidualFactor != 1;

    // What is wrong, or null.
    internal string? Problem() =>
        !float.IsFinite(BranchFactor) ? $"A block's branch factor must be finite; it is {BranchFactor}."
        : !float.IsFinite(ResidualFactor) ? $"A block's residual factor must be finite; it is {ResidualFactor}."
        : null;
}
