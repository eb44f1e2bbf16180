namespace NativeFfn.Checkpoints.Families;

/// <summary>The network of a layer in a checkpoint: its formula, and where its tensors lie.</summary>
/// <param name="Spec">Shape and formula, without norms.</param>
internal abstract record StoredNetwork(FfnSpec Spec)
{
    /// <summary>Names, after the layer's path, any of which shows that a file has the network in this form.</summary>
    public abstract IEnumerable<string> Markers { get; }

    /// <summary>Where a tensor of <see cref="Spec"/> lies.</summary>
    public abstract StoredTensor Place(FfnTensor wanted);
}

/// <summary>One network that all tokens go through.</summary>
internal sealed record DenseNetwork(FfnSpec Spec, StoredProjections Projections) : StoredNetwork(Spec)
{
    /// <inheritdoc/>
    public override IEnumerable<string> Markers => Projections.All.Select(static projection => projection.WeightName());

    /// <inheritdoc/>
    public override StoredTensor Place(FfnTensor wanted) => Projections.Place(wanted);
}

/// <summary>A mixture of experts without biases in its networks.</summary>
internal sealed record MixtureNetwork(FfnSpec Spec, FamilyMixture Family, ExpertForm Form) : StoredNetwork(Spec)
{
    private int Experts => Spec.Mixture!.Experts;

    private string SelectionBias => Form.Router + ".e_score_correction_bias";

    /// <inheritdoc/>
    public override IEnumerable<string> Markers => Form.Projections.All.Select(static projection => projection.WeightName(0));

    /// <inheritdoc/>
    public override StoredTensor Place(FfnTensor wanted) => wanted switch
    {
        { Role: FfnTensorRole.RouterWeight } => new(Form.Router + ".weight", [wanted.Rows, wanted.Columns]),
        { Role: FfnTensorRole.RouterSelectionBias } => new(SelectionBias, [wanted.Columns]),
        { Role: FfnTensorRole.SharedGateWeight } => new(Family.SharedGate + ".weight", [1, wanted.Columns]),
        { Expert: FfnTensor.SharedExpert } => Family.Shared!.Place(wanted),
        _ => Form.Projections.Place(wanted, Experts),
    };
}
