using System.Collections.Immutable;
using System.Globalization;

namespace NativeFfn.Checkpoints.Families;

/// <summary>A value of the configurations of a family.</summary>
/// <param name="Absent">The value where the key is absent, or always where there is no key.</param>
/// <param name="Key">The configuration's key; null where the value is constant.</param>
internal readonly record struct Keyed<T>(T Absent, string? Key = null);

/// <summary>Layers that are stored under one path.</summary>
/// <param name="Path">The path of a layer, with <c>{0}</c> for its index and a dot at the end.</param>
/// <param name="CountKey">The key that counts them.</param>
/// <param name="Tower">The part of the model that they are; null for that of the family.</param>
internal sealed record LayerRun(string Path, string CountKey, CheckpointTower? Tower = null)
{
    /// <summary>
    /// How many there are where the key is absent; null where it must be there, but for a second run, which is as long as the first.
    /// </summary>
    public int? AbsentCount { get; init; }

    /// <summary>The key of d_ff, where the runs have each their own.</summary>
    public string? DFfKey { get; init; }

    /// <summary>The path of one of these layers.</summary>
    public string Of(int layer) => string.Format(CultureInfo.InvariantCulture, Path, layer);
}

/// <summary>The layers of a run whose places or widths no key says alone.</summary>
/// <param name="Count">How many there are.</param>
/// <param name="Path">The path of each, ending in a dot.</param>
/// <param name="DModel">The width of each; null where all have the family's.</param>
internal sealed record LayerMap(int Count, Func<int, string> Path, Func<int, int>? DModel = null)
{
    // Stages double the width, and no model has many or long ones.
    private const int MaxStages = 6;
    private const int MaxLayers = 4096;

    /// <summary>The stage of every layer, and its place there, of a list of the stages' lengths.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="key">The list's key.</param>
    /// <param name="absent">The list where the key is absent.</param>
    public static (int Stage, int Block)[] Stages(CheckpointConfig config, string key, ImmutableArray<int> absent)
    {
        ImmutableArray<int> lengths = config.Has(key) ? config.Counts(key) : absent;
        if (lengths.Length > MaxStages || lengths.Sum(static length => (long)length) is < 1 or > MaxLayers)
        {
            throw config.Wrong(
                key, $"a list of {lengths.Length} stages; it must be of 1 to {MaxStages} stages with 1 to {MaxLayers} layers in all");
        }

        return [.. lengths.Index().SelectMany(static stage => Enumerable.Range(0, stage.Item).Select(block => (stage.Index, block)))];
    }
}

/// <summary>What a family does with the residual of its block; all of it is constant or in the configuration.</summary>
internal sealed record FamilyBlock
{
    /// <summary>What the network's result is multiplied with before the residual is added.</summary>
    public Keyed<float> BranchFactor { get; init; } = new(1);

    /// <summary>What the residual is multiplied with.</summary>
    public Keyed<float> ResidualFactor { get; init; } = new(1);

    /// <summary>Whether the residual is the row after the norm.</summary>
    public Keyed<bool> ResidualIsNormed { get; init; }

    /// <summary>
    /// The name, after the layer's path, of a vector that the network's result is multiplied with, where the file has it.
    /// </summary>
    public string? Scale { get; init; }

    /// <summary>The name of a number g, where the file has it, of which tanh(g) multiplies the network's result.</summary>
    public string? TanhGate { get; init; }
}

/// <summary>
/// A family of models, as a row of <see cref="FamilyCatalog"/>: what its configurations and tensor names mean. What a row leaves out is as
/// in LLaMA. Keys may name alternatives and lead into objects, as <see cref="CheckpointConfig"/> has them.
/// </summary>
/// <param name="ModelTypes">The configurations' <c>model_type</c>s.</param>
internal sealed record FfnFamily(params ImmutableArray<string> ModelTypes)
{
    /// <summary>The part of a model that the family is.</summary>
    public CheckpointTower Tower { get; init; } = CheckpointTower.Text;

    /// <summary>The key of d_model.</summary>
    public string DModelKey { get; init; } = "hidden_size";

    /// <summary>The key of d_ff, one for all layers or a list.</summary>
    public string DFfKey { get; init; } = "intermediate_size";

    /// <summary>d_ff in multiples of d_model where its key is absent; null where it must be there.</summary>
    public int? Expansion { get; init; }

    /// <summary>
    /// The d_ff of a layer where it is computed, from the configuration, d_model and the layer's index; 0 for a layer without a network.
    /// </summary>
    public Func<CheckpointConfig, int, int, int>? WidthOf { get; init; }

    /// <summary>
    /// Where layers are: a model's encoder first, then its decoder, which may count as many where its own key is absent, and may be left
    /// out.
    /// </summary>
    public ImmutableArray<LayerRun> Layers { get; init; } = [new("layers.{0}.", "num_hidden_layers")];

    /// <summary>The layers, where their keys do not say all of them.</summary>
    public Func<CheckpointConfig, LayerMap>? Map { get; init; }

    /// <summary>Why some layers have no network, or null where all have one.</summary>
    public string? WhyGaps { get; init; }

    /// <summary>
    /// What may stand before a layer's path in the model itself; <c>{type}</c> is the model's type. Base models leave out the name of the
    /// part that they are, and larger models set more before it.
    /// </summary>
    public ImmutableArray<string> Prefixes { get; init; } = ["model.", "", "transformer.", "{type}."];

    /// <summary>The key of the activation's name; null where it is constant.</summary>
    public string? ActivationKey { get; init; } = "hidden_act";

    /// <summary>The activation where no key is there, as configurations spell it.</summary>
    public string Activation { get; init; } = "silu";

    /// <summary>The activation where configurations have no name for it; null where they do.</summary>
    public Activation? FixedActivation { get; init; }

    /// <summary>Numbers in the activation's formula, by layer; null for its own.</summary>
    public Func<CheckpointConfig, int, ActivationParameters>? Parameters { get; init; }

    /// <summary>The same numbers where tensors of the layer have them, from what reads a number by its name; null for none.</summary>
    public Func<Func<string, float?>, ActivationParameters>? ReadParameters { get; init; }

    /// <summary>Whether every projection of a dense layer has a bias; null where the file decides, for each stage.</summary>
    public Keyed<bool?> Bias { get; init; } = new(false);

    /// <summary>The projections of a dense layer, gated where there is a gate.</summary>
    public StoredProjections Projections { get; init; } = StoredProjections.Llama("mlp.");

    /// <summary>Other forms in which a dense layer of the same formula may be stored.</summary>
    public ImmutableArray<StoredProjections> OtherProjections { get; init; } = [];

    /// <summary>What the network's result is multiplied with, as a part of the network.</summary>
    public Keyed<float> OutputFactor { get; init; } = new(1);

    /// <summary>ε of the norms.</summary>
    public Keyed<float> Epsilon { get; init; } = new(1e-6f, "rms_norm_eps");

    /// <summary>The norm before the network.</summary>
    public FamilyNorm? PreNorm { get; init; }

    /// <summary>The norm of the hidden row, before the projection back.</summary>
    public FamilyNorm? InnerNorm { get; init; }

    /// <summary>The norm on the network's result, before the residual is added.</summary>
    public FamilyNorm? BranchNorm { get; init; }

    /// <summary>The norm after the residual was added.</summary>
    public FamilyNorm? PostNorm { get; init; }

    /// <summary>Whether MLX stores norms with the 1 that the family adds.</summary>
    public bool MlxAddsOne { get; init; }

    /// <summary>What becomes of the residual.</summary>
    public FamilyBlock Block { get; init; } = new();

    /// <summary>
    /// Whether attention stands beside the network, on one residual: a block is then <c>x + F(n(x))</c> of the layer's own input, a state
    /// that the model never has.
    /// </summary>
    public bool IsParallel { get; init; }

    /// <summary>The mixtures of experts, where there are some.</summary>
    public FamilyMixture? Mixture { get; init; }

    /// <summary>Keys of which one value alone is known, which is also the one where they are absent.</summary>
    public ImmutableArray<Keyed<string>> Only { get; init; } = [];

    /// <summary>Why the models have no feed-forward half of a block, or null where they have.</summary>
    public string? WhyNoBlock { get; init; }

    /// <summary>What a configuration changes of the row, for what no column says.</summary>
    public Func<FfnFamily, CheckpointConfig, FfnFamily>? Adapt { get; init; }

    /// <summary>The norms around the network and in it, with what they are called in the table.</summary>
    public IEnumerable<(string Place, FamilyNorm Norm)> Norms => new (string, FamilyNorm?)[]
    {
        ("pre", PreNorm), ("inner", InnerNorm), ("branch", BranchNorm), ("branch of mixtures", Mixture?.BranchNorm),
        ("post", PostNorm),
    }.Where(static norm => norm.Item2 is not null).Select(static norm => (norm.Item1, norm.Item2!));

    /// <summary>The same row for other model types.</summary>
    public FfnFamily For(params ImmutableArray<string> modelTypes) => this with { ModelTypes = modelTypes };

    /// <summary>The same row with another ε where its key is absent.</summary>
    public FfnFamily WithEpsilon(float absent) => this with { Epsilon = Epsilon with { Absent = absent } };

    /// <summary>Makes a layout of a configuration; looks at tensor names only where the configuration leaves something open.</summary>
    /// <param name="source">The configuration and what is known of its place in the model.</param>
    /// <param name="tensors">The checkpoint's tensors.</param>
    public FamilyLayout Read(FamilySource source, CheckpointTensors tensors)
    {
        foreach (Keyed<string> only in Only)
        {
            source.Config.RequireText(only.Key!, only.Absent);
        }

        FfnFamily family = Adapt?.Invoke(this, source.Config) ?? this;
        bool addsOne = family.MlxAddsOne && (source.IsMlx || tensors.IsMlx);
        return new FamilyLayout(addsOne ? family.WithPlainNorms() : family, source, tensors);
    }

    /// <summary>The same row with norms whose weights are stored as they are used.</summary>
    public FfnFamily WithPlainNorms()
    {
        static FamilyNorm? Plain(FamilyNorm? norm) => norm is null ? null : norm with { WeightOffset = 0 };
        return this with
        {
            PreNorm = Plain(PreNorm),
            InnerNorm = Plain(InnerNorm),
            BranchNorm = Plain(BranchNorm),
            PostNorm = Plain(PostNorm),
        };
    }

    /// <summary>The activation that a configuration names.</summary>
    public Activation ReadActivation(CheckpointConfig config)
    {
        bool named = ActivationKey is not null && config.Has(ActivationKey);
        string name = named ? config.Text(ActivationKey!) : Activation;
        return FixedActivation ?? NativeFfn.Activation.OfConfig(name) ?? OfGate(name)
            ?? throw UnknownActivation(config, ActivationKey ?? "hidden_act", name);
    }

    /// <summary>The activation where a configuration names none.</summary>
    public Activation ReadDefaultActivation() => FixedActivation ?? NativeFfn.Activation.OfConfig(Activation)!;

    // A gated network may be called as a whole: swiglu is gated and has SiLU.
    private Activation? OfGate(string name) => Projections.Gate is null
        ? null
        : NativeFfn.Activation.All.FirstOrDefault(known => known.GatedName is not null && known.GatedName == name);

    /// <summary>The refusal of an activation, which a key has in whole or in part.</summary>
    public static CheckpointException UnknownActivation(CheckpointConfig config, string key, string name) => config.Wrong(
        config.Found(key),
        $"the unknown activation {CheckpointText.Quote(name)}; supported are " +
        string.Join(", ", NativeFfn.Activation.All.SelectMany(static known => known.ConfigNames)));
}
