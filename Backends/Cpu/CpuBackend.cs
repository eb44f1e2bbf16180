using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Numa;
using NativeFfn.Backends.Cpu.Team;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.Cpu;

/// <summary>Runs layers on the processor: one worker team and one pool of scratch memory for all layers, over a list of GEMMs.</summary>
internal sealed class CpuBackend : IFfnBackend
{
    // Callers at a time whose scratch memory is kept; more than that run too, but allocate.
    private const int KeptForwardsPerProcessor = 8;

    private readonly WorkerTeam _team;
    private readonly GemmList _gemms;
    private readonly ObjectSlots<CpuForward> _forwards;
    private readonly int _maxResidentExperts;
    private readonly long _minimumSliceWork;
    private readonly NodeMemory? _nodes;

    /// <summary>Starts the team.</summary>
    /// <param name="description">Who the backend is.</param>
    /// <param name="options">Threads of a forward, and what is worth one.</param>
    /// <param name="gemms">How matrices are multiplied.</param>
    public CpuBackend(BackendDescription description, FfnEngineOptions options, GemmList gemms)
    {
        _gemms = gemms;
        _maxResidentExperts = options.MaxResidentExperts;
        _minimumSliceWork = options.MinimumSliceWork;
        NumaPlan plan = NumaPlan.Of(options, description.Kind);
        _nodes = plan.IsBound ? new NodeMemory(plan.Nodes, plan.System) : null;
        _team = new WorkerTeam(options.Threads, plan);
        Description = description with { Numa = plan.ReportOf(_team.WhyNotBound) };
        int kept = Math.Max(options.Threads, Environment.ProcessorCount) * KeptForwardsPerProcessor;
        _forwards = new ObjectSlots<CpuForward>(kept, () => new CpuForward(_team, options.MinimumSliceWork));
    }

    /// <summary>The precisions there are: one for each encoding that has one.</summary>
    public static FfnPrecision[] Precisions { get; } = [FfnPrecision.Auto, FfnPrecision.Stored, .. Enum.GetValues<FfnPrecision>().Where(static precision => WeightEncodings.Of(precision) is not null)];

    /// <inheritdoc/>
    public BackendDescription Description { get; }

    /// <inheritdoc/>
    public string? WhyUnsupported(FfnSpec spec) => null;

    /// <inheritdoc/>
    public ILoadedLayer Prepare(FfnSpec spec, IFfnWeightSource weights) =>
        new CpuLoadedLayer(
            new CpuLayerWeights(spec, weights, _gemms, _maxResidentExperts, readers: _team.Threads - 1, _nodes), _forwards, _team, _minimumSliceWork);

    /// <inheritdoc/>
    public void Dispose()
    {
        _team.Dispose();
        _forwards.Dispose();
    }
}
