namespace NativeFfn;

/// <summary>What a tensor of a feed-forward layer is for.</summary>
public enum FfnTensorRole
{
    /// <summary>A stage's activated (or only) projection: the gate of a gated stage.</summary>
    Weight,

    /// <summary>The bias of <see cref="Weight"/>.</summary>
    Bias,

    /// <summary>A gated stage's linear projection, which multiplies the activated gate.</summary>
    UpWeight,

    /// <summary>The bias of <see cref="UpWeight"/>.</summary>
    UpBias,

    /// <summary>Weight of the norm before the first stage.</summary>
    PreNormWeight,

    /// <summary>Bias of the norm before the first stage.</summary>
    PreNormBias,

    /// <summary>Weight of the norm on the last stage's result, before the residual is added.</summary>
    BranchNormWeight,

    /// <summary>Bias of the norm on the last stage's result.</summary>
    BranchNormBias,

    /// <summary>Weight of the norm after the residual was added.</summary>
    PostNormWeight,

    /// <summary>Bias of the norm after the residual was added.</summary>
    PostNormBias,

    /// <summary>A mixture's router, <c>[experts, d_model]</c>.</summary>
    RouterWeight,

    /// <summary>What a mixture adds to the scores for choosing experts, and for nothing else; one element an expert.</summary>
    RouterSelectionBias,

    /// <summary>The gate of a mixture's shared expert, <c>[d_model]</c>.</summary>
    SharedGateWeight,

    /// <summary>What a mixture's router adds to its logits; one element an expert.</summary>
    RouterBias,

    /// <summary>What is added to the sum of a mixture's experts, <c>[d_model]</c>.</summary>
    MixtureBias,

    /// <summary>What a block multiplies the network's branch with, element by element, <c>[d_model]</c>.</summary>
    BranchScale,

    /// <summary>Weight of the norm on the hidden row, <c>[d_ff]</c>.</summary>
    InnerNormWeight,

    /// <summary>Bias of the norm on the hidden row.</summary>
    InnerNormBias,
}

/// <summary>The identity of a tensor among those of a layer.</summary>
/// <param name="Role">What it is for.</param>
/// <param name="Stage">The stage it belongs to, from 0; 0 where it belongs to none.</param>
/// <param name="Expert">An expert's index, <see cref="FfnTensor.SharedExpert"/> or <see cref="FfnTensor.NoExpert"/>.</param>
internal readonly record struct TensorKey(FfnTensorRole Role, int Stage = 0, int Expert = FfnTensor.NoExpert);

/// <summary>One tensor that a <see cref="FfnSpec"/> asks of its weights.</summary>
/// <param name="Role">What it is for.</param>
/// <param name="Stage">The stage it belongs to, from 0; 0 for norms.</param>
/// <param name="Name">Its name in messages and in <c>FfnMemoryWeights</c>, such as <c>gate.weight</c> or <c>down.bias</c>.</param>
/// <param name="Rows">Rows: the stage's width, or 1 for vectors.</param>
/// <param name="Columns">Elements of a row.</param>
public sealed record FfnTensor(FfnTensorRole Role, int Stage, string Name, int Rows, int Columns)
{
    /// <summary>What <see cref="Expert"/> is where the tensor belongs to no expert.</summary>
    public const int NoExpert = -1;

    /// <summary>What <see cref="Expert"/> is for the network that all tokens of a mixture go through.</summary>
    public const int SharedExpert = -2;

    /// <summary>The expert of a mixture that the tensor belongs to, from 0; <see cref="NoExpert"/> or <see cref="SharedExpert"/>.</summary>
    public int Expert { get; init; } = NoExpert;

    internal TensorKey Key => new(Role, Stage, Expert);

    /// <summary>Elements in all.</summary>
    public long ElementCount => (long)Rows * Columns;

    /// <summary>The shape as messages show it: <c>[rows, columns]</c>, or <c>[columns]</c> for a vector.</summary>
    public string Shape => IsVector ? $"[{Columns}]" : $"[{Rows}, {Columns}]";

    /// <summary>Whether this is a bias or a norm's vector and not a matrix.</summary>
    public bool IsVector => Role is not (FfnTensorRole.Weight or FfnTensorRole.UpWeight or FfnTensorRole.RouterWeight);
}
