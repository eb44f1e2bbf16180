using System.Collections.Immutable;
using System.Globalization;

namespace NativeFfn.Checkpoints.Families;

/// <summary>Where a family's configuration comes from.</summary>
/// <param name="Config">The configuration that has the layers' numbers.</param>
/// <param name="ModelType">The type that names the row.</param>
/// <param name="Outer">What a larger model sets before the family's own prefixes.</param>
/// <param name="Tower">The tower that is asked for, where the row has several; null for all.</param>
internal sealed record FamilySource(CheckpointConfig Config, string ModelType, ImmutableArray<string> Outer, CheckpointTower? Tower = null)
{
    /// <summary>Whether the configuration says that MLX wrote the checkpoint; where it does not, the file may.</summary>
    public bool IsMlx { get; init; }
}

/// <summary>A layer as the configuration has it, before its file is looked at.</summary>
/// <param name="Path">Its path after the prefix, ending in a dot.</param>
/// <param name="Forms">The forms in which its network may be stored, tried in order.</param>
internal sealed record LayerPlan(string Path, ImmutableArray<NetworkForm> Forms);

/// <summary>What a family makes of a configuration: how many layers there are, and what each is.</summary>
internal sealed class FamilyLayout : ICheckpointLayout
{
    private readonly CheckpointConfig _config;
    private readonly Activation _activation;
    private readonly LayerMap? _map;
    private readonly (LayerRun Run, int Count)[] _runs;
    private readonly Func<int, bool>? _isMixture;
    private readonly bool? _bias;

    /// <summary>Reads what all layers have in common, and the first layer, so that a wrong number is named on opening.</summary>
    public FamilyLayout(FfnFamily family, FamilySource source, CheckpointTensors tensors)
    {
        Family = family;
        _config = source.Config;
        _activation = family.ReadActivation(_config);
        Prefixes = [.. source.Outer.SelectMany(outer => family.Prefixes.Select(prefix => outer + OfType(prefix, source.ModelType)))
            .Distinct()];
        _map = family.Map?.Invoke(_config);
        _isMixture = family.Mixture?.Sparse?.Invoke(_config);
        _bias = family.Bias.Key is { } key && _config.Has(key) ? _config.Flag(new(false, key)) : family.Bias.Absent;
        BlockForm = new BlockForm
        {
            BranchFactor = _config.Factor(family.Block.BranchFactor),
            ResidualFactor = _config.Factor(family.Block.ResidualFactor),
            ResidualIsNormed = _config.Flag(family.Block.ResidualIsNormed),
        };
        _ = Forms(family.Layers[0], 0);
        foreach ((_, FamilyNorm norm) in family.Norms)
        {
            _ = Read(norm, hasBias: false);
        }

        _runs = _map is not null ? [(family.Layers[0], _map.Count)] : [.. ReadRuns(family, source, tensors)];
    }

    /// <summary>The family's row, as the configuration adapts it.</summary>
    public FfnFamily Family { get; }

    /// <summary>Layers in the model.</summary>
    public int LayerCount => _runs.Sum(static run => run.Count);

    /// <summary>What may stand before a layer's path.</summary>
    public ImmutableArray<string> Prefixes { get; }

    /// <summary>What becomes of the residual; a scale, where the file decides, not yet in it.</summary>
    public BlockForm BlockForm { get; }

    /// <summary>A norm's numbers.</summary>
    /// <param name="norm">The norm.</param>
    /// <param name="hasBias">Whether it has a bias.</param>
    public NormSpec Read(FamilyNorm norm, bool hasBias)
    {
        Keyed<float> epsilon = norm.Epsilon ?? Family.Epsilon;
        return new NormSpec(norm.Kind, epsilon.Key is { } key ? _config.Epsilon(key, epsilon.Absent) : epsilon.Absent)
        {
            HasWeight = norm.Names.Length > 0,
            HasBias = hasBias,
            WeightOffset = norm.WeightOffset,
        };
    }

    /// <summary>A layer as the configuration has it.</summary>
    public LayerPlan Plan(int layer)
    {
        int inRun = layer;
        int i = 0;
        for (; i < _runs.Length - 1 && inRun >= _runs[i].Count; i++)
        {
            inRun -= _runs[i].Count;
        }

        return new LayerPlan(_map?.Path(inRun) ?? _runs[i].Run.Of(inRun), Forms(_runs[i].Run, inRun));
    }

    /// <inheritdoc/>
    public FfnCheckpointLayer Find(CheckpointTensors tensors, int layer) => new LayerFinder(this, tensors, layer).Find();

    private static string OfType(string prefix, string type) =>
        prefix.Replace("{type}", type.Replace('-', '_'), StringComparison.Ordinal);

    // Checkpoints of the encoder alone keep a configuration that counts the decoder too.
    private IEnumerable<(LayerRun Run, int Count)> ReadRuns(FfnFamily family, FamilySource source, CheckpointTensors tensors)
    {
        int first = 0;
        foreach (LayerRun run in family.Layers)
        {
            int count = first > 0 ? _config.Size(run.CountKey, run.AbsentCount ?? first) : _config.Size(run.CountKey, run.AbsentCount);
            bool isWanted = source.Tower is null
                ? first == 0 || Prefixes.Any(prefix => tensors.Contains(prefix + run.Of(0) + family.Projections.Down.WeightName()))
                : family.Layers.Length == 1 || run.Tower == source.Tower;
            first = first > 0 ? first : count;
            if (isWanted)
            {
                yield return (run, count);
            }
        }
    }

    // Where the configuration does not say what a layer is, the file does; what it says is held against the file.
    private ImmutableArray<NetworkForm> Forms(LayerRun run, int layer)
    {
        if (Family.Mixture is not { } mixture)
        {
            return [.. DenseForms(run, layer)];
        }

        bool? isMixture = mixture.Sparse is null ? true : _isMixture?.Invoke(layer);
        bool hasExperts = isMixture ?? (_config.Has(mixture.ExpertsKey) || (mixture.ExpertsAlias is { } alias && _config.Has(alias)));
        bool hasDense = isMixture is null && (_config.Has(run.DFfKey ?? Family.DFfKey) || !hasExperts);
        return [.. hasExperts ? MixtureForms(layer) : [], .. hasDense || isMixture == false ? DenseForms(run, layer) : []];
    }

    private int DModel(int layer) => _map?.DModel?.Invoke(layer) ?? _config.Size(Family.DModelKey);

    private FfnKind Kind(int layer) => new(Family.Projections.Gate is not null, _activation, Family.Parameters?.Invoke(_config, layer));

    private IEnumerable<NetworkForm> DenseForms(LayerRun run, int layer)
    {
        int dModel = DModel(layer);
        int dFf = Family.WidthOf?.Invoke(_config, dModel, layer)
            ?? _config.SizeAt(run.DFfKey ?? Family.DFfKey, layer, Family.Expansion * dModel);
        if (dFf == 0)
        {
            return [];
        }

        FfnSpec spec = Spec(Kind(layer), dModel, dFf);
        return Family.OtherProjections.Prepend(Family.Projections).Select(projections => new DenseForm(spec, _bias, projections));
    }

    private IEnumerable<NetworkForm> MixtureForms(int layer)
    {
        FamilyMixture mixture = Family.Mixture!;
        int dModel = DModel(layer);
        int dFf = _config.SizeAt(mixture.DFfKey, layer);
        FfnSpec expert = Spec(Kind(layer), dModel, dFf);
        MixtureSpec routing = mixture.Read(_config, layer, dModel, dFf);
        return mixture.AllExperts().Select(form => new MixtureForm(expert, routing, mixture, form));
    }

    private FfnSpec Spec(FfnKind kind, int dModel, int dFf)
    {
        try
        {
            FfnSpec spec = FfnSpec.Create(kind, dModel, dFf);
            return Family.OutputFactor is { Key: null, Absent: 1 } ? spec : spec.WithOutputFactor(_config.Factor(Family.OutputFactor));
        }
        catch (ArgumentOutOfRangeException problem)
        {
            throw new CheckpointException(
                $"{_config.Path}: asks for matrices of {dFf.ToString(CultureInfo.InvariantCulture)} x {dModel} elements; " +
                $"the limit is {FfnSpec.MaxMatrixElements} in all.", problem);
        }
        catch (ArgumentException problem)
        {
            throw new CheckpointException($"{_config.Path}: {problem.Message.ReplaceLineEndings(" ")}", problem);
        }
    }
}
