using System.Collections.Immutable;
using System.Globalization;

namespace NativeFfn.Checkpoints.Families;

/// <summary>A value of the configurations of a family.</summary>
/// <param name="Absent">The value where the key is absent, or always where there is no key.</param>
/// <param name="Key">The configuration's key; null where the value is constant.</param>
internal readonly record struct Keyed<T>(T Absent, string? Key = null);

/// <summary>A norm of a family.</summary>
/// <param name="Name">Its tensors' name after the layer's path, without <c>.weight</c> or <c>.bias</c>.</param>
/// <param name="Kind">Its formula.</param>
/// <param name="Epsilon">ε.</param>
internal sealed record FamilyNorm(string Name, NormKind Kind, Keyed<float> Epsilon)
{
    /// <summary>What is added to the stored weight.</summary>
    public float WeightOffset { get; init; }
}

/// <summary>Layers that are stored under one path.</summary>
/// <param name="Path">The path of a layer, with <c>{0}</c> for its index and a dot at the end.</param>
/// <param name="CountKey">The key that counts them.</param>
internal sealed record LayerRun(string Path, string CountKey)
{
    /// <summary>The path of one of these layers.</summary>
    public string Of(int layer) => string.Format(CultureInfo.InvariantCulture, Path, layer);
}

/// <summary>A family of models, as a row of <see cref="FamilyCatalog"/>: what its configurations and tensor names mean. What a row leaves out is as in LLaMA.</summary>
/// <param name="ModelTypes">The configurations' <c>model_type</c>s.</param>
internal sealed record FfnFamily(params ImmutableArray<string> ModelTypes)
{
    /// <summary>The key of d_model.</summary>
    public string DModelKey { get; init; } = "hidden_size";

    /// <summary>The key of d_ff.</summary>
    public string DFfKey { get; init; } = "intermediate_size";

    /// <summary>d_ff in multiples of d_model where its key is absent; null where it must be there.</summary>
    public int? Expansion { get; init; }

    /// <summary>Where layers are: a model's encoder first, then its decoder, which may count as many where its own key is absent, and may be left out.</summary>
    public ImmutableArray<LayerRun> Layers { get; init; } = [new("layers.{0}.", "num_hidden_layers")];

    /// <summary>What may stand before a layer's path, tried in order: base models leave out the name of the part that they are.</summary>
    public ImmutableArray<string> Prefixes { get; init; } = ["model.", ""];

    /// <summary>The keys of the activation's name; the first that is there counts.</summary>
    public ImmutableArray<string> ActivationKeys { get; init; } = ["hidden_act"];

    /// <summary>The activation where no key is there, as configurations spell it.</summary>
    public string Activation { get; init; } = "silu";

    /// <summary>Whether every projection of a dense layer has a bias.</summary>
    public Keyed<bool> Bias { get; init; }

    /// <summary>The projections of a dense layer, gated where there is a gate.</summary>
    public StoredProjections Projections { get; init; } = StoredProjections.Llama("mlp.");

    /// <summary>The norm before the network.</summary>
    public FamilyNorm? PreNorm { get; init; }

    /// <summary>The norm on the network's result, before the residual is added.</summary>
    public FamilyNorm? BranchNorm { get; init; }

    /// <summary>The norm after the residual was added.</summary>
    public FamilyNorm? PostNorm { get; init; }

    /// <summary>The mixtures of experts, where there are some.</summary>
    public FamilyMixture? Mixture { get; init; }

    /// <summary>Keys of which one value alone is known, which is also the one where they are absent.</summary>
    public ImmutableArray<Keyed<string>> Only { get; init; } = [];

    /// <summary>Why the models have no feed-forward half of a block, or null where they have.</summary>
    public string? WhyNoBlock { get; init; }

    /// <summary>What a configuration changes of the row, for what no column says.</summary>
    public Func<FfnFamily, CheckpointConfig, FfnFamily>? Adapt { get; init; }

    /// <summary>The forms in which a layer of a formula may be stored.</summary>
    public ImmutableArray<StoredNetwork> NetworksOf(FfnSpec spec) => spec.Mixture is null
        ? [new DenseNetwork(spec, Projections)]
        : [.. Mixture!.Experts.Select(form => new MixtureNetwork(spec, Mixture, form))];

    /// <summary>Makes a layout of a configuration; looks at tensor names only where the configuration leaves something open.</summary>
    public FamilyLayout Read(CheckpointConfig config, CheckpointTensors tensors)
    {
        foreach (Keyed<string> only in Only)
        {
            config.RequireText(only.Key!, only.Absent);
        }

        return (Adapt?.Invoke(this, config) ?? this).ReadAdapted(config, tensors);
    }

    private FamilyLayout ReadAdapted(CheckpointConfig config, CheckpointTensors tensors)
    {
        var kind = new FfnKind(Projections.Gate is not null, ReadActivation(config));
        int dModel = config.Size(DModelKey);
        ImmutableArray<StoredNetwork> dense = Mixture is { Sparse: null } ? [] : NetworksOf(Spec(
            config, kind, dModel, config.Size(DFfKey, Expansion * dModel), config.Flag(Bias)));
        Func<int, ImmutableArray<StoredNetwork>> networks = _ => dense;
        if (Mixture is not null)
        {
            ImmutableArray<StoredNetwork> sparse = NetworksOf(Mixture.Spec(config, kind, dModel));
            Func<int, bool> isSparse = Mixture.Sparse?.Invoke(config) ?? (static _ => true);
            networks = layer => isSparse(layer) ? sparse : dense;
        }

        int first = config.Size(Layers[0].CountKey);
        int second = Layers.Length > 1 ? config.Size(Layers[1].CountKey, first) : 0;
        return new FamilyLayout
        {
            Networks = networks,
            LayerCount = first + (Layers.Length > 1 && Has(tensors, Layers[1]) ? second : 0),
            Prefixes = Prefixes,
            LayerPath = layer => layer < first ? Layers[0].Of(layer) : Layers[1].Of(layer - first),
            PreNorm = Read(config, PreNorm),
            BranchNorm = Read(config, BranchNorm),
            PostNorm = Read(config, PostNorm),
            WhyNoBlock = WhyNoBlock,
        };
    }

    /// <summary>A layer whose dimensions come from a configuration; what a spec cannot hold is refused in the file's name.</summary>
    public static FfnSpec Spec(CheckpointConfig config, FfnKind kind, int dModel, int dFf, bool bias)
    {
        try
        {
            return FfnSpec.Create(kind, dModel, dFf, bias);
        }
        catch (ArgumentOutOfRangeException problem)
        {
            throw new CheckpointException(
                $"{config.Path}: asks for matrices of {dFf} x {dModel} elements; the limit is {FfnSpec.MaxMatrixElements} in all.", problem);
        }
    }

    /// <summary>The refusal of an activation, which a key has in whole or in part.</summary>
    public static CheckpointException UnknownActivation(CheckpointConfig config, string key, string name) => config.Wrong(
        key,
        $"the unknown activation {CheckpointText.Quote(name)}; supported are {string.Join(", ", NativeFfn.Activation.All.SelectMany(static known => known.ConfigNames))}");

    private static StoredNorm? Read(CheckpointConfig config, FamilyNorm? norm) => norm is null
        ? null
        : new StoredNorm(
            norm.Name,
            new NormSpec(norm.Kind, norm.Epsilon.Key is { } key ? config.Epsilon(key, norm.Epsilon.Absent) : norm.Epsilon.Absent)
            {
                WeightOffset = norm.WeightOffset,
            });

    private Activation ReadActivation(CheckpointConfig config)
    {
        string? key = ActivationKeys.FirstOrDefault(config.Has);
        string name = key is null ? Activation : config.Text(key);
        return NativeFfn.Activation.OfConfig(name) ?? throw UnknownActivation(config, key!, name);
    }

    // Checkpoints of the encoder alone keep a configuration that counts the decoder too.
    private bool Has(CheckpointTensors tensors, LayerRun run) =>
        Prefixes.Any(prefix => tensors.Contains(prefix + run.Of(0) + Projections.Down.WeightName()));
}
