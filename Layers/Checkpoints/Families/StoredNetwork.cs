namespace NativeFfn.Checkpoints.Families;

/// <summary>The network of a layer in a checkpoint: its formula, and where its tensors lie.</summary>
/// <param name="Spec">Shape and formula, without norms.</param>
internal abstract record StoredNetwork(FfnSpec Spec)
{
    /// <summary>Names, after the layer's path, any of which shows that a file has the network in this form.</summary>
    public abstract IEnumerable<string> Markers { get; }

    /// <summary>Names, after the layer's path, of tensors that the formula has no place for: were one left out, every number would be a little wrong.</summary>
    public abstract IEnumerable<string> Unexpected { get; }

    /// <summary>Where a tensor of <see cref="Spec"/> lies.</summary>
    public abstract StoredTensor Place(FfnTensor wanted);
}

/// <summary>One network that all tokens go through.</summary>
internal sealed record DenseNetwork(FfnSpec Spec, StoredProjections Projections) : StoredNetwork(Spec)
{
    /// <inheritdoc/>
    public override IEnumerable<string> Markers => Projections.All.Select(static projection => projection.WeightName);

    /// <inheritdoc/>
    public override IEnumerable<string> Unexpected =>
        Projections.All.Where(_ => !Spec.Stages[0].HasBias).Select(static projection => projection.BiasName);

    /// <inheritdoc/>
    public override StoredTensor Place(FfnTensor wanted) => Projections.Place(wanted);
}

/// <summary>A mixture of experts without biases in its networks.</summary>
internal sealed record MixtureNetwork(FfnSpec Spec) : StoredNetwork(Spec)
{
    /// <summary>The router's path, without <c>.weight</c>.</summary>
    public required string Router { get; init; }

    /// <summary>The projections of an expert by its index.</summary>
    public required Func<int, StoredProjections> Expert { get; init; }

    /// <summary>The projections of the shared expert; looked for, as unexpected, where the formula has none.</summary>
    public StoredProjections? Shared { get; init; }

    /// <summary>The path of the shared expert's gate, without <c>.weight</c>.</summary>
    public string? SharedGate { get; init; }

    private MixtureSpec Mixture => Spec.Mixture!;

    private string SelectionBias => Router + ".e_score_correction_bias";

    /// <inheritdoc/>
    public override IEnumerable<string> Markers => Expert(0).All.Select(static projection => projection.WeightName);

    /// <inheritdoc/>
    public override IEnumerable<string> Unexpected
    {
        get
        {
            yield return Router + ".bias";
            if (!Mixture.HasSelectionBias)
            {
                yield return SelectionBias;
            }

            foreach (StoredProjection projection in Enumerable.Range(0, Mixture.Experts).SelectMany(expert => Expert(expert).All))
            {
                yield return projection.BiasName;
            }

            // One expert more than the configuration counts; a stack says by its shape how many it has.
            foreach (StoredProjection projection in Expert(Mixture.Experts).All.Where(static projection => projection.OfStack is null))
            {
                yield return projection.WeightName;
            }

            foreach (StoredProjection projection in Shared?.All ?? [])
            {
                yield return Mixture.SharedDFf > 0 ? projection.BiasName : projection.WeightName;
            }
        }
    }

    /// <inheritdoc/>
    public override StoredTensor Place(FfnTensor wanted) => wanted switch
    {
        { Role: FfnTensorRole.RouterWeight } => new(Router + ".weight", [wanted.Rows, wanted.Columns]),
        { Role: FfnTensorRole.RouterSelectionBias } => new(SelectionBias, [wanted.Columns]),
        { Role: FfnTensorRole.SharedGateWeight } => new(SharedGate + ".weight", [1, wanted.Columns]),
        { Expert: FfnTensor.SharedExpert } => Shared!.Place(wanted),
        _ => Expert(wanted.Expert).Place(wanted),
    };
}
