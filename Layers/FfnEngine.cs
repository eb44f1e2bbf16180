using System.Collections.Immutable;
using NativeFfn.Backends;
using NativeFfn.Checkpoints;

namespace NativeFfn;

/// <summary>A backend in use, with the threads and native libraries that its layers share.</summary>
/// <remarks>
/// Safe for use by several threads at once. Engines with different backends share a process. Disposing an engine lets forwards in flight
/// finish; its layers then throw <see cref="ObjectDisposedException"/>, and still have to be disposed themselves to free their weights.
/// </remarks>
/// <example>
/// <code>
/// using FfnEngine engine = FfnEngine.Create();
/// FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, dModel, dFf);
/// using FfnLayer layer = engine.CreateLayer(spec, new FfnWeights { Gate = gate, Up = up, Down = down });
/// layer.ForwardResidual(x, x, x);           // in place: x += FFN(x)
/// </code>
/// </example>
public sealed class FfnEngine : IDisposable
{
    private readonly IFfnBackend _backend;
    private volatile bool _disposed;

    private FfnEngine(IFfnBackend backend, BackendSelection selection, FfnPrecision precision)
    {
        _backend = backend;
        Selection = selection;
        Precision = precision;
    }

    /// <summary>What was asked for, what was chosen, and why better candidates were passed over.</summary>
    public BackendSelection Selection { get; }

    /// <summary>The backend in use.</summary>
    public BackendDescription Backend => _backend.Description;

    /// <summary>How matrices are kept in memory.</summary>
    public FfnPrecision Precision { get; }

    /// <summary>
    /// What a GPU (<see cref="DeviceFailedException"/>) or the ranks that layers are cut over (<see cref="CollectiveFailedException"/>) failed of,
    /// so that this engine and its layers can do nothing any more; null as long as that has not happened. It is known without a forward, too.
    /// </summary>
    public Exception? Failure => _backend.Failure;

    /// <summary>This process's rank among those that layers are cut over, from 0; 0 without <see cref="FfnEngineOptions.Parallel"/>.</summary>
    public int Rank => _backend.Rank;

    /// <summary>
    /// This process's rank among those that an MPI launcher started, from 0, as the environment says; 0 where none did. Known before there
    /// is an engine, for what rank 0 alone does.
    /// </summary>
    public static int LaunchedRank => BackendCatalog.LaunchedRank;

    /// <summary>What ranks spent on each other so far, as this one sees it; nothing without <see cref="FfnEngineOptions.Parallel"/>.</summary>
    public FfnCollectiveTotals Collectives => _backend.Collectives;

    /// <summary>Ranks that layers are cut over; 1 without <see cref="FfnEngineOptions.Parallel"/>.</summary>
    public int Ranks => _backend.Ranks;

    internal bool IsDisposed => _disposed;

    /// <summary>Opens an engine on a backend.</summary>
    /// <param name="options">Which backend, with how many threads; null means the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="BackendUnavailableException">The backend that was named cannot be used here; the message says why.</exception>
    /// <exception cref="PlatformNotSupportedException">Layers are to be cut over ranks, and there is no usable MPI; the message says why.</exception>
    /// <exception cref="CollectiveFailedException">The ranks are not alike, or one did not come in time.</exception>
    public static FfnEngine Create(FfnEngineOptions? options = null)
    {
        options = (options ?? new FfnEngineOptions()).Resolve();
        (IFfnBackend backend, BackendSelection selection) = BackendCatalog.OpenRank(options);
        return new FfnEngine(backend, selection, options.Precision);
    }

    /// <summary>Tries every backend and says which can be used here and why others cannot. Loads native libraries.</summary>
    /// <param name="options">Threads and library paths to try with; null means the defaults.</param>
    public static ImmutableArray<BackendCandidate> Probe(FfnEngineOptions? options = null) =>
        BackendCatalog.Probe((options ?? new FfnEngineOptions()).Resolve());

    /// <summary>What rows would go between GPUs by, or why they cannot.</summary>
    internal static (string? Version, string? Path, string? Reason) ProbeNccl(FfnEngineOptions options) => BackendCatalog.ProbeNccl(options);

    /// <summary>Makes a layer from weights handed over as spans, which are copied.</summary>
    /// <param name="spec">The layer; a transformer's network (<see cref="FfnSpec.IsFeedForward"/>).</param>
    /// <param name="weights">Its weights.</param>
    /// <exception cref="ArgumentException">A tensor is missing, superfluous or of the wrong length, or the layer is no such network.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run such a layer, or a weight does not fit the precision; the message says why.</exception>
    public FfnLayer CreateLayer(FfnSpec spec, in FfnWeights weights)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return weights.Use(spec, this, static (spec, engine, source) => engine.CreateLayer(spec, source));
    }

    /// <summary>Makes a layer from a source of weights, which is read once and not kept.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="weights">
    /// Its weights. With <see cref="FfnEngineOptions.MaxResidentExperts"/>, a mixture keeps the source and reads experts as they are needed.
    /// </param>
    /// <exception cref="NotSupportedException">The backend cannot run such a layer, or a weight does not fit the precision; the message says why.</exception>
    /// <exception cref="InsufficientMemoryException">The weights do not fit into memory.</exception>
    public FfnLayer CreateLayer(FfnSpec spec, IFfnWeightSource weights)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(weights);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_backend.WhyUnsupported(spec) is { } reason)
        {
            throw new NotSupportedException($"Backend '{Backend.Name}' cannot run {spec}: {reason}");
        }

        return new FfnLayer(this, spec, _backend.Prepare(spec, weights));
    }

    /// <summary>Makes a layer from a checkpoint; only the tensors of that layer are read.</summary>
    /// <param name="checkpoint">
    /// An open checkpoint, which may be disposed after the call; with <see cref="FfnEngineOptions.MaxResidentExperts"/>, after a mixture's last forward.
    /// </param>
    /// <param name="layer">The layer's index, from 0.</param>
    /// <exception cref="CheckpointException">The checkpoint has no such layer, or its tensors do not fit.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run such a layer, or a weight does not fit the precision; the message says why.</exception>
    /// <exception cref="InsufficientMemoryException">The weights do not fit into memory.</exception>
    public FfnLayer LoadLayer(FfnCheckpoint checkpoint, int layer)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        FfnCheckpointLayer found = checkpoint.GetLayer(layer);
        return CreateLayer(found.Spec, found.Weights);
    }

    /// <summary>Runs this rank's part of what rank 0 computes, until rank 0 disposes its engine.</summary>
    /// <remarks>The calling thread sleeps while there is nothing to do. Rank 0 calls forwards in place of it.</remarks>
    /// <exception cref="InvalidOperationException">This is rank 0, or the only rank.</exception>
    /// <exception cref="CollectiveFailedException">A rank failed, or did not come within <see cref="FfnEngineOptions.ParallelSeconds"/>.</exception>
    public void Follow()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _backend.Follow();
    }

    /// <summary>Joins layers of this engine, so that they run one after the other on the same rows.</summary>
    /// <param name="layers">At least one layer; all have a hidden stage and keep one width.</param>
    /// <exception cref="ArgumentException">A layer is of another engine, or does not fit.</exception>
    public FfnChain CreateChain(params ReadOnlySpan<FfnLayer> layers) => new(this, layers);

    /// <summary>Makes a stream for forwards on rows in a GPU's memory.</summary>
    /// <exception cref="NotSupportedException">The backend computes in the host's memory.</exception>
    /// <exception cref="DeviceFailedException">The GPU has failed.</exception>
    public FfnDeviceStream CreateDeviceStream() => OpenStream(null);

    /// <summary>Uses a stream of the application's for forwards on rows in a GPU's memory.</summary>
    /// <param name="stream">A <c>CUstream</c> of the engine's context, which must outlive what is returned; 0 is the legacy default stream.</param>
    /// <exception cref="NotSupportedException">The backend computes in the host's memory.</exception>
    /// <exception cref="DeviceFailedException">The GPU has failed.</exception>
    public FfnDeviceStream UseDeviceStream(nint stream) => OpenStream(stream);

    /// <summary>Frees the engine's threads and scratch memory; forwards in flight finish.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _backend.Dispose();
        }
    }

    internal void RunChain(ReadOnlySpan<ILoadedLayer> layers, in FfnRows rows) => _backend.RunChain(layers, rows);

    private FfnDeviceStream OpenStream(nint? stream)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new FfnDeviceStream(this, _backend.OpenStream(stream));
    }
}
