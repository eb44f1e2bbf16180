namespace NativeFfn.Checkpoints.Families;

/// <summary>The network of a layer in a checkpoint: its formula, and where its tensors lie.</summary>
/// <param name="Spec">Shape and formula, without the norms around it.</param>
/// <param name="Place">Where a tensor of the network lies; null for one that is no part of it.</param>
internal sealed record StoredNetwork(FfnSpec Spec, Func<FfnTensor, StoredTensor?> Place);

/// <summary>The tensors under a layer's path.</summary>
internal sealed class LayerNames(CheckpointTensors tensors, string prefix, string path)
{
    /// <summary>What stands before a name of the layer.</summary>
    public string Path { get; } = prefix + path;

    /// <summary>What stands before the layer's path.</summary>
    public string Prefix { get; } = prefix;

    /// <summary>Whether the file has a tensor of the layer.</summary>
    public bool Has(string name) => tensors.Contains(Path + name);

    /// <summary>Whether the matrix of a name is quantised.</summary>
    public bool IsQuantised(string name) => tensors.IsQuantised(Path + name);

    /// <summary>The shape of a tensor that the file has.</summary>
    public ReadOnlySpan<long> Shape(string name) => tensors.Find(Path + name).Tensor.Shape.AsSpan();
}

/// <summary>A form in which a layer's network may be stored; its file says what the configuration leaves open.</summary>
internal abstract class NetworkForm
{
    /// <summary>Whether it is a mixture of experts.</summary>
    public abstract bool IsMixture { get; }

    /// <summary>Names, after the layer's path, any of which shows that a file has the network in this form.</summary>
    public abstract IEnumerable<string> Markers { get; }

    /// <summary>Whether the file's shapes fit; asked where several forms have the same names.</summary>
    public abstract bool Fits(LayerNames names);

    /// <summary>The network, with the biases that the file has.</summary>
    public abstract StoredNetwork Fit(LayerNames names);

    /// <summary>Whether a tensor is a matrix or bias of a projection.</summary>
    protected static bool IsOfStage(FfnTensor tensor) =>
        tensor.Role is FfnTensorRole.Weight or FfnTensorRole.Bias or FfnTensorRole.UpWeight or FfnTensorRole.UpBias;

    /// <summary>A network with the biases that are said to be there, or that a file has.</summary>
    protected static FfnSpec WithBiases(FfnSpec spec, bool? bias, StoredProjections projections, LayerNames names)
    {
        bool up = bias
            ?? (names.Has(projections.Up.BiasName(0)) || (projections.Gate is not null && names.Has(projections.Gate.BiasName(0))));
        bool down = bias ?? names.Has(projections.Down.BiasName(0));
        FfnSpec fitted = FfnSpec.Stack(spec.Stages[0] with { HasBias = up }, spec.Stages[1] with { HasBias = down });
        return spec.OutputFactor == 1 ? fitted : fitted.WithOutputFactor(spec.OutputFactor);
    }

    /// <summary>Whether every matrix of a network that the file has is of the shape that a form gives it.</summary>
    protected static bool Fits(LayerNames names, FfnSpec spec, Func<FfnTensor, StoredTensor> place) => spec.Tensors
        .Where(static tensor => !tensor.IsVector).Select(place)
        .All(stored => names.Has(stored.Name) && stored.Shape.AsSpan().SequenceEqual(names.Shape(stored.Name)));
}

/// <summary>One network that all tokens go through.</summary>
/// <param name="spec">Its formula; biases, where the file decides, not yet in it.</param>
/// <param name="bias">Whether it has biases; null where the file decides, for each stage.</param>
/// <param name="projections">Its projections.</param>
internal sealed class DenseForm(FfnSpec spec, bool? bias, StoredProjections projections) : NetworkForm
{
    /// <inheritdoc/>
    public override bool IsMixture => false;

    /// <inheritdoc/>
    public override IEnumerable<string> Markers => projections.All.Select(static projection => projection.WeightName());

    /// <inheritdoc/>
    public override bool Fits(LayerNames names)
    {
        StoredProjections stored = StoredIn(names);
        return Fits(names, spec, tensor => stored.Place(tensor));
    }

    /// <inheritdoc/>
    public override StoredNetwork Fit(LayerNames names)
    {
        StoredProjections stored = StoredIn(names);
        return new StoredNetwork(WithBiases(spec, bias, stored, names), wanted => IsOfStage(wanted) ? stored.Place(wanted) : null);
    }

    // Who quantises a Conv1D makes a linear module of it first.
    private StoredProjections StoredIn(LayerNames names) => projections.With(projection =>
        projection.IsTransposed && names.IsQuantised(projection.WeightName()) ? projection with { IsTransposed = false } : projection);
}

/// <summary>A mixture of experts.</summary>
/// <param name="expert">The formula of one expert.</param>
/// <param name="mixture">How tokens are routed; what the file decides is not yet in it.</param>
/// <param name="family">Its row.</param>
/// <param name="form">How its experts are stored.</param>
internal sealed class MixtureForm(FfnSpec expert, MixtureSpec mixture, FamilyMixture family, ExpertForm form) : NetworkForm
{
    /// <inheritdoc/>
    public override bool IsMixture => true;

    /// <inheritdoc/>
    public override IEnumerable<string> Markers => form.Projections.All.Select(static projection => projection.WeightName(0));

    /// <inheritdoc/>
    public override bool Fits(LayerNames names) =>
        Fits(names, expert, tensor => form.Projections.Place(tensor with { Expert = 0 }, mixture.Experts));

    /// <inheritdoc/>
    public override StoredNetwork Fit(LayerNames names)
    {
        string? selectionBias = family.SelectionBias?.Split('|').FirstOrDefault(names.Has);
        MixtureSpec fitted = mixture with
        {
            HasSelectionBias = family.SelectionBias is not null && (!family.SelectionBiasIsOptional || selectionBias is not null),
            HasRouterBias = family.RouterHasBias && names.Has(form.Router + ".bias"),
            HasOutputBias = family.OutputBias is { } output && names.Has(output),
        };
        bool? bias = family.ExpertsHaveBias ? null : false;
        return new StoredNetwork(WithBiases(expert, bias, form.Projections, names).WithExperts(fitted), wanted =>
            Place(wanted, selectionBias));
    }

    private StoredTensor? Place(FfnTensor wanted, string? selectionBias) => wanted switch
    {
        { Role: FfnTensorRole.RouterWeight } => new(form.Router + ".weight", [wanted.Rows, wanted.Columns]),
        { Role: FfnTensorRole.RouterBias } => new(form.Router + ".bias", [wanted.Columns]),
        { Role: FfnTensorRole.RouterSelectionBias } => new(
            selectionBias ?? family.SelectionBias!, family.SelectionBiasIsRow ? [1, wanted.Columns] : [wanted.Columns]),
        { Role: FfnTensorRole.MixtureBias } => new(family.OutputBias!, [wanted.Columns]),
        { Role: FfnTensorRole.SharedGateWeight } => new(
            family.SharedGate + ".weight", family.SharedGateIsVector ? [wanted.Columns] : [1, wanted.Columns]),
        { Expert: FfnTensor.SharedExpert } => family.Shared!.Place(wanted),
        _ => IsOfStage(wanted) ? form.Projections.Place(wanted, mixture.Experts) : null,
    };
}
