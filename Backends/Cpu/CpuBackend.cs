using NativeFfn.Backends.Cpu.Memory;
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

    /// <summary>Starts the team.</summary>
    /// <param name="kind">Which backend this is.</param>
    /// <param name="version">What computes.</param>
    /// <param name="path">The native library's file, or null.</param>
    /// <param name="options">Threads of a forward, and what is worth one.</param>
    /// <param name="products">How matrices are multiplied.</param>
    public CpuBackend(BackendKind kind, string version, string? path, BackendOptions options, CpuProducts products)
    {
        Description = new BackendDescription(kind, version, path, options.Threads);
        _products = products;
        _team = new WorkerTeam(options.Threads);
        _forwards = new ObjectSlots<CpuForward>(
            Math.Max(options.Threads, Environment.ProcessorCount) * KeptForwardsPerProcessor,
            () => new CpuForward(_team, products, options.MinimumSliceWork));
    }

    /// <inheritdoc/>
    public BackendDescription Description { get; }

    /// <inheritdoc/>
    public string? WhyUnsupported(FfnSpec spec) => null;

    /// <inheritdoc/>
    public IPreparedFfn Prepare(FfnSpec spec, IFfnWeightSource weights) => 
        new CpuPreparedFfn(new CpuWeights(spec, weights, _products), _forwards);

    /// <inheritdoc/>
    public void Dispose()
    {
        _team.Dispose();
        _forwards.Dispose();
    }
}

/// <summary>A layer's weights in native memory, run by whichever forward state is free.</summary>
internal sealed class CpuPreparedFfn : IPreparedFfn
{
    private readonly CpuWeights _weights;
    private readonly ObjectSlots<CpuForward> _forwards;

    public CpuPreparedFfn(CpuWeights weights, ObjectSlots<CpuForward> forwards)
    {
        _weights = weights;
        _forwards = forwards;
    }

    /// <inheritdoc/>
    public long WeightBytes => _weights.Memory.ByteLength;

    /// <inheritdoc/>
    public double WeightError => _weights.Error;

    /// <inheritdoc/>
    public void Run(in FfnRows rows)
    {
        // A reference held for the length of the run: disposing in between frees the weights when the run is over.
        bool held = false;
        try
        {
            _weights.Memory.DangerousAddRef(ref held);
            if (rows.Input.Height > 0)
            {
                Run(_forwards.Take(), rows);
            }
        }
        finally
        {
            if (held)
            {
                _weights.Memory.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _weights.Memory.Dispose();

    private void Run(CpuForward forward, in FfnRows rows)
    {
        try
        {
            forward.Run(_weights, rows);
        }
        finally
        {
            _forwards.Return(forward);
        }
    }
}
