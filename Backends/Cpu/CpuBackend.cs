using NativeFfn.Backends.Cpu.Experts;
using NativeFfn.Backends.Storage;
using NativeFfn.Backends.Cpu.Threading;

namespace NativeFfn.Backends.Cpu;

/// <summary>Runs layers on the processor: one worker team and one pool of scratch memory for all layers, over one way to multiply.</summary>
internal sealed class CpuBackend : IFfnBackend
{
    // Callers at a time whose scratch memory is kept; more than that run too, but allocate.
    private const int KeptForwardsPerProcessor = 8;

    private readonly WorkerTeam _team;
    private readonly CpuProducts _products;
    private readonly ObjectSlots<CpuForward> _forwards;
    private readonly ObjectSlots<MixtureForward> _mixtures;
    private readonly int _maxResidentExperts;

    /// <summary>Starts the team.</summary>
    /// <param name="description">Who the backend is.</param>
    /// <param name="options">Threads of a forward, and what is worth one.</param>
    /// <param name="products">How matrices are multiplied.</param>
    public CpuBackend(BackendDescription description, FfnEngineOptions options, CpuProducts products)
    {
        Description = description;
        _products = products;
        _maxResidentExperts = options.MaxResidentExperts;
        _team = new WorkerTeam(options.Threads);
        int kept = Math.Max(options.Threads, Environment.ProcessorCount) * KeptForwardsPerProcessor;
        _forwards = new ObjectSlots<CpuForward>(kept, () => new CpuForward(_team, options.MinimumSliceWork));
        _mixtures = new ObjectSlots<MixtureForward>(kept, () => new MixtureForward(_team, options.MinimumSliceWork));
    }

    /// <summary>The precisions there are.</summary>
    public static FfnPrecision[] Precisions { get; } =
        [FfnPrecision.Float32, FfnPrecision.BFloat16, FfnPrecision.Float16, FfnPrecision.Int8];

    /// <inheritdoc/>
    public BackendDescription Description { get; }

    /// <inheritdoc/>
    public string? WhyUnsupported(FfnSpec spec) => null;

    /// <inheritdoc/>
    public ILoadedLayer Prepare(FfnSpec spec, IFfnWeightSource weights) => spec.Mixture is null
        ? new CpuPreparedFfn(new CpuWeights(spec, weights, _products), _forwards)
        : new CpuPreparedMixture(new MixtureWeights(spec, weights, _products, _maxResidentExperts), _mixtures);

    /// <inheritdoc/>
    public void Dispose()
    {
        _team.Dispose();
        _forwards.Dispose();
        _mixtures.Dispose();
    }
}
