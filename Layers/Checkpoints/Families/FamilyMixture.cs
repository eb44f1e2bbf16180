using System.Collections.Immutable;

namespace NativeFfn.Checkpoints.Families;

/// <summary>A form in which experts are stored.</summary>
/// <param name="Router">The router's path, without <c>.weight</c> or <c>.bias</c>.</param>
/// <param name="Projections">An expert's projections: with <c>{0}</c> for its index in their names, or stacks of all experts.</param>
internal sealed record ExpertForm(string Router, StoredProjections Projections)
{
    /// <summary>Experts one by one, by LLaMA's names.</summary>
    public static ExpertForm OneByOne { get; } = new("mlp.gate", StoredProjections.Llama("mlp.experts.{0}."));

    /// <summary>
    /// All experts in two tensors: <c>gate_up_proj</c> <c>[E, 2 · d_ff, d_model]</c>, the gates first, and <c>down_proj</c> <c>[E, d_model,
    /// d_ff]</c>.
    /// </summary>
    public static ExpertForm Stacked { get; } = new("mlp.gate", StoredProjections.Stacked("mlp.experts.gate_up_proj", "mlp.experts.down_proj"));

    /// <summary>Experts one by one, by the names of the first LLaMA: w1 is the gate, w3 is up and w2 is down.</summary>
    /// <param name="router">The router's path.</param>
    /// <param name="path">The path that their indices follow, ending in a dot.</param>
    public static ExpertForm Mixtral(string router, string path) => new(router, StoredProjections.Gated(path + "{0}.", "w1", "w3", "w2"));

    /// <summary>The same experts as MLX writes them: gate, up and down in a stack each, beside where the family has its experts.</summary>
    public IEnumerable<ExpertForm> OfMlx()
    {
        string name = Projections.Down.Name;
        int experts = name.IndexOf("experts", StringComparison.Ordinal);
        string path = name[..(experts >= 0 ? experts : name.LastIndexOf('.') + 1)];
        foreach (string part in (string[])["switch_mlp.", "switch_glu.", "experts."])
        {
            StoredProjections stacks = StoredProjections.Llama(path + part).With(static projection => projection with { IsStack = true });
            yield return this with { Projections = Projections.Gate is null ? stacks with { Gate = null } : stacks };
        }
    }
}

/// <summary>What the mixtures of experts of a family are, beside its row. Numbers may be one for all layers or a list.</summary>
internal sealed record FamilyMixture
{
    /// <summary>The key that counts the experts.</summary>
    public string ExpertsKey { get; init; } = "num_experts";

    /// <summary>The name that another family has for the same count, which some writers use.</summary>
    public string? ExpertsAlias { get; init; } = "num_local_experts";

    /// <summary>The key of top-k.</summary>
    public string TopKKey { get; init; } = "num_experts_per_tok";

    /// <summary>The key of an expert's d_ff.</summary>
    public string DFfKey { get; init; } = "moe_intermediate_size";

    /// <summary>How a token's experts are chosen and weighed, but for what the members below read from the configuration.</summary>
    public MixtureSpec Routing { get; init; } = new(1, 1);

    /// <summary>Whether the chosen experts' weights are divided by their sum.</summary>
    public Keyed<bool> Renormalize { get; init; } = new(true);

    /// <summary>The name of the bias for the choice alone, or several with <c>|</c> between them; null where the router has none.</summary>
    public string? SelectionBias { get; init; }

    /// <summary>Whether a file may leave that bias out.</summary>
    public bool SelectionBiasIsOptional { get; init; }

    /// <summary>Whether that bias is stored <c>[1, experts]</c>.</summary>
    public bool SelectionBiasIsRow { get; init; }

    /// <summary>Whether the router's logits may have a bias.</summary>
    public bool RouterHasBias { get; init; }

    /// <summary>Whether the experts' projections may have biases.</summary>
    public bool ExpertsHaveBias { get; init; }

    /// <summary>The name of a vector that is added to the experts' sum, where the file has it.</summary>
    public string? OutputBias { get; init; }

    /// <summary>Groups of experts.</summary>
    public Keyed<int> Groups { get; init; } = new(1);

    /// <summary>Groups whose experts may be chosen.</summary>
    public Keyed<int> TopGroups { get; init; } = new(1);

    /// <summary>What every weight is multiplied with.</summary>
    public Keyed<float> Scaling { get; init; } = new(1);

    /// <summary>What PhiMoE's router lets pass beside the largest logit.</summary>
    public Keyed<float> Jitter { get; init; } = new(0.01f);

    /// <summary>What logits are kept within; 0 for no bound.</summary>
    public Keyed<float> LogitSoftcap { get; init; } = new(0);

    /// <summary>The smallest sum that weights are divided by.</summary>
    public Keyed<float> SmallestSum { get; init; } = new(0);

    /// <summary>The forms that experts are stored in, tried in order; MLX's are tried after them.</summary>
    public ImmutableArray<ExpertForm> Experts { get; init; } = [ExpertForm.OneByOne, ExpertForm.Stacked];

    /// <summary>The key of the shared expert's d_ff, with what it is where the key is absent; null where there is no such key.</summary>
    public Keyed<int?>? SharedDFf { get; init; }

    /// <summary>
    /// The key that counts shared experts, which are stored as one that is so many times as wide; null where there is none.
    /// </summary>
    public Keyed<int?>? SharedCount { get; init; }

    /// <summary>The projections of the shared expert; null where the formula has none.</summary>
    public StoredProjections? Shared { get; init; }

    /// <summary>The path of the shared expert's gate, without <c>.weight</c>.</summary>
    public string? SharedGate { get; init; }

    /// <summary>Whether that gate is stored <c>[d_model]</c> and not <c>[1, d_model]</c>.</summary>
    public bool SharedGateIsVector { get; init; }

    /// <summary>The norm on the result of mixtures; null where that is the family's own for every layer.</summary>
    public FamilyNorm? BranchNorm { get; init; }

    /// <summary>
    /// Which layers are mixtures, by the configuration, as far as it says; a layer is one where it has experts, and the configuration must
    /// not say otherwise. Null where all are.
    /// </summary>
    public Func<CheckpointConfig, Func<int, bool>?>? Sparse { get; init; }

    /// <summary>A mixture's numbers in a configuration; what contradicts itself is refused in the file's name.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="layer">The layer's index.</param>
    /// <param name="dModel">d_model.</param>
    /// <param name="dFf">An expert's d_ff.</param>
    public MixtureSpec Read(CheckpointConfig config, int layer, int dModel, int dFf)
    {
        long shared = SharedDFf is { } width ? config.CountAt(width.Key!, layer, width.Absent)
            : SharedCount is { } count ? (long)dFf * config.CountAt(count.Key!, layer, count.Absent)
            : 0;
        if (shared * dModel > FfnSpec.MaxMatrixElements)
        {
            throw new CheckpointException(
                $"{config.Path}: asks for a shared expert of {shared} x {dModel} elements; the limit is {FfnSpec.MaxMatrixElements} in all.");
        }

        var mixture = Routing with
        {
            Experts = ReadExperts(config),
            TopK = config.SizeAt(TopKKey, layer),
            Renormalize = config.Flag(Renormalize),
            HasSelectionBias = SelectionBias is not null && !SelectionBiasIsOptional,
            Groups = Groups.Key is null ? Groups.Absent : config.Size(Groups.Key, Groups.Absent),
            TopGroups = TopGroups.Key is null ? TopGroups.Absent : config.Size(TopGroups.Key, TopGroups.Absent),
            Scaling = config.Factor(Scaling),
            Jitter = config.Factor(Jitter),
            LogitSoftcap = config.Factor(LogitSoftcap),
            SmallestSum = config.Factor(SmallestSum),
            SharedDFf = (int)shared,
            HasSharedGate = SharedGate is not null && shared > 0,
        };
        return mixture.Problem() is { } problem ? throw new CheckpointException($"{config.Path}: {problem}") : mixture;
    }

    /// <summary>Every form that experts may be stored in, MLX's included.</summary>
    public IEnumerable<ExpertForm> AllExperts() => Experts.Concat(Experts.SelectMany(static form => form.OfMlx()).Distinct());

    private int ReadExperts(CheckpointConfig config)
    {
        if (ExpertsAlias is null || !config.Has(ExpertsAlias))
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
