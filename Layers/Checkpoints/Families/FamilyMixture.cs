using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>A form in which experts are stored.</summary>
/// <param name="Router">The router's path, without <c>.weight</c>.</param>
/// <param name="Projections">An expert's projections: with <c>{0}</c> for its index in their names, or stacks of all experts.</param>
internal sealed record ExpertForm(string Router, StoredProjections Projections)
{
    /// <summary>Experts one by one, by LLaMA's names.</summary>
    public static ExpertForm OneByOne { get; } = new("mlp.gate", StoredProjections.Llama("mlp.experts.{0}."));

    /// <summary>All experts in two tensors: <c>gate_up_proj</c> <c>[E, 2 · d_ff, d_model]</c>, the gates first, and <c>down_proj</c> <c>[E, d_model, d_ff]</c>.</summary>
    public static ExpertForm Stacked { get; } = new("mlp.gate", new StoredProjections(
        StoredProjection.Stack("mlp.experts.gate_up_proj", ProjectionLayout.FirstHalf),
        StoredProjection.Stack("mlp.experts.gate_up_proj", ProjectionLayout.SecondHalf),
        StoredProjection.Stack("mlp.experts.down_proj", ProjectionLayout.OutIn)));
}

/// <summary>What the mixtures of experts of a family are, beside its row.</summary>
internal sealed record FamilyMixture
{
    /// <summary>The key that counts the experts.</summary>
    public required string ExpertsKey { get; init; }

    /// <summary>The name that another family has for the same count, which some writers use.</summary>
    public required string ExpertsAlias { get; init; }

    /// <summary>The key of top-k.</summary>
    public string TopKKey { get; init; } = "num_experts_per_tok";

    /// <summary>The key of an expert's d_ff.</summary>
    public string DFfKey { get; init; } = "moe_intermediate_size";

    /// <summary>How logits become scores.</summary>
    public RouterScoring Scoring { get; init; } = RouterScoring.Softmax;

    /// <summary>Whether the chosen experts' weights are divided by their sum.</summary>
    public Keyed<bool> Renormalize { get; init; } = new(true);

    /// <summary>Whether the router has a bias for the choice alone.</summary>
    public bool HasSelectionBias { get; init; }

    /// <summary>Groups of experts.</summary>
    public Keyed<int> Groups { get; init; } = new(1);

    /// <summary>Groups whose experts may be chosen.</summary>
    public Keyed<int> TopGroups { get; init; } = new(1);

    /// <summary>What every weight is multiplied with.</summary>
    public Keyed<float> Scaling { get; init; } = new(1);

    /// <summary>The forms that experts are stored in, tried in order.</summary>
    public ImmutableArray<ExpertForm> Experts { get; init; } = [ExpertForm.OneByOne, ExpertForm.Stacked];

    /// <summary>The key of the shared expert's d_ff; null where there is none.</summary>
    public string? SharedDFfKey { get; init; }

    /// <summary>The key that counts shared experts, which are stored as one that is so many times as wide; null where there is none.</summary>
    public string? SharedCountKey { get; init; }

    /// <summary>The projections of the shared expert; looked for, as unexpected, where the formula has none.</summary>
    public StoredProjections? Shared { get; init; }

    /// <summary>The path of the shared expert's gate, without <c>.weight</c>.</summary>
    public string? SharedGate { get; init; }

    /// <summary>Which layers are mixtures, by the configuration; null where all are.</summary>
    public Func<CheckpointConfig, Func<int, bool>>? Sparse { get; init; }

    /// <summary>A mixture whose numbers come from a configuration; what contradicts itself is refused in the file's name.</summary>
    public FfnSpec Spec(CheckpointConfig config, FfnKind kind, int dModel)
    {
        int experts = ReadExperts(config);
        int dFf = config.Size(DFfKey);
        FfnSpec expert = FfnFamily.Spec(config, kind, dModel, dFf, bias: false);
        long sharedDFf = SharedDFfKey is not null ? config.Size(SharedDFfKey)
            : SharedCountKey is not null ? (long)dFf * config.Count(SharedCountKey)
            : 0;
        var mixture = new MixtureSpec(experts, config.Size(TopKKey))
        {
            Scoring = Scoring,
            Renormalize = config.Flag(Renormalize),
            HasSelectionBias = HasSelectionBias,
            Groups = Groups.Key is null ? Groups.Absent : config.Size(Groups.Key, Groups.Absent),
            TopGroups = TopGroups.Key is null ? TopGroups.Absent : config.Size(TopGroups.Key, TopGroups.Absent),
            Scaling = Scaling.Key is null ? Scaling.Absent : config.Factor(Scaling.Key, Scaling.Absent),
            HasSharedGate = SharedGate is not null && sharedDFf > 0,
        };
        if (sharedDFf * dModel > FfnSpec.MaxMatrixElements)
        {
            throw new CheckpointException(
                $"{config.Path}: asks for a shared expert of {sharedDFf} x {dModel} elements; the limit is {FfnSpec.MaxMatrixElements} in all.");
        }

        mixture = mixture with { SharedDFf = (int)sharedDFf };
        return mixture.Problem() is { } problem ? throw new CheckpointException($"{config.Path}: {problem}") : expert.WithExperts(mixture);
    }

    private int ReadExperts(CheckpointConfig config)
    {
        if (!config.Has(ExpertsAlias))
        {
            return config.Size(ExpertsKey);
        }

        int experts = config.Size(ExpertsAlias);
        return config.Size(ExpertsKey, experts) == experts
            ? experts
            : throw config.Wrong(
                ExpertsKey,
                $"{config.Size(ExpertsKey)}, but {CheckpointText.Quote(ExpertsAlias)} is {experts}; both count the experts. Correct config.json");
    }
}
