using Microsoft.Extensions.Logging;
using NativeFfn.Hosting.Batching;
using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Serving;

/// <summary>
/// The life of one engine in a server: opened and warmed up, drained, closed; what it is at the moment is kept for all to read.
/// </summary>
internal sealed partial class FfnRuntime : IDisposable, IAsyncDisposable
{
    private const string Broke = "The engine broke";

    private readonly TimeProvider _time;
    private readonly FfnMetrics _metrics;
    private readonly ILogger _logger;
    private readonly object _gate = new();
    private readonly FairShare _share = new(1, parent: null);
    private readonly Dictionary<string, FairShare> _shares = new(StringComparer.Ordinal);
    private volatile FfnStatus _status = FfnStatus.NotStarted;
    private volatile OpenEngine? _open;

    public FfnRuntime(string name, NativeFfnOptions options, TimeProvider time, FfnMetrics metrics, ILogger logger)
    {
        Name = name;
        Options = options;
        _time = time;
        _metrics = metrics;
        _logger = logger;
    }

    /// <summary>The engine's name in metrics and logs.</summary>
    public string Name { get; }

    public NativeFfnOptions Options { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Time => _time;

    /// <summary>What the engine is now. A device that was lost is told as soon as it is known, whoever met it.</summary>
    public FfnStatus Status
    {
        get
        {
            FfnStatus status = _status;
            return status.State is FfnState.Ready or FfnState.Draining && _open?.Engine.Failure is { } failure
                ? FfnStatus.Failed(Broke, failure)
                : status.State == FfnState.Ready && _change is { } change
                ? status with { Description = $"{status.Description} {change}" }
                : status;
        }
    }

    /// <summary>Opens the engine; tests give a device of their own.</summary>
    public Func<NativeFfnOptions, FfnEngine> CreateEngine { get; set; } = ModelLoader.OpenEngine;

    /// <summary>Runs the rows of the warm-up; tests have it fail.</summary>
    public LayerForward WarmupForward { get; set; } = LayerForwards.Run;

    /// <summary>What runs requests; null before the layers are loaded and after shutdown.</summary>
    public OpenEngine? Open => _open;

    public int WaitingTokens => (_open?.Queue.WaitingTokens ?? 0) + Volatile.Read(ref _tokensOnDemand);

    public IReadOnlyList<ServedLayer> ServedLayers => _open?.Layers.All ?? [];

    /// <summary>Opens the engine, loads and warms up its layers, and starts to run requests.</summary>
    /// <exception cref="FfnHostingException">The engine or a layer cannot be opened.</exception>
    public void Start(CancellationToken cancellationToken)
    {
        if (!TryMove(FfnStatus.Starting, FfnState.NotStarted))
        {
            throw new InvalidOperationException($"The engine '{Name}' was started before.");
        }

        try
        {
            long started = _time.GetTimestamp();
            OpenEngine open = Load(cancellationToken);
            if (open.Engine.Rank > 0)
            {
                Follow(open);
            }
            else if (TryWarmUp(open, cancellationToken) && TryPublish(open))
            {
                FfnLog.Ready(
                    _logger, Name, _time.GetElapsedTime(started).TotalSeconds, open.Layers.All.Count, open.Layers.WeightBytes);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Tells health checks that the server is about to go; requests are still taken and run.</summary>
    public void BeginDraining()
    {
        if (TryMove(FfnStatus.Draining, FfnState.Ready))
        {
            FfnLog.Draining(_logger, Name, WaitingTokens);
        }
    }

    /// <summary>Takes no more requests, lets those that wait finish for as long as the options say, and frees everything.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        BeginDraining();
        await WaitForLeaderAsync(cancellationToken).ConfigureAwait(false);
        if (_open is { } open)
        {
            FfnUnavailableException closed = FfnStatus.Closed.ToException();
            open.Queue.Close(closed);
            try
            {
                await open.Runners.Ended.WaitAsync(Options.DrainTimeout, _time, cancellationToken).ConfigureAwait(false);
                FfnLog.Drained(_logger, Name);
            }
            catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
            {
                FfnLog.DrainTimedOut(_logger, Name, open.Queue.Abort(closed));
            }
        }

        await DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Fails what waits, lets the batch that runs finish, and frees everything.</summary>
    public void Dispose()
    {
        if (BeginDispose() is { } open)
        {
            open.Dispose();
        }
    }

    /// <inheritdoc cref="Dispose"/>
    public async ValueTask DisposeAsync()
    {
        if (BeginDispose() is { } open)
        {
            await open.Runners.Ended.ConfigureAwait(false);
            open.Free();
        }
    }

    private OpenEngine? BeginDispose()
    {
        OpenEngine? open;
        lock (_gate)
        {
            open = _open;
            _open = null;
            if (_status.State != FfnState.Failed)
            {
                _status = FfnStatus.Closed;
            }

            EndDemands(_status.ToException);
        }

        if (open is not null)
        {
            _metrics.Remove(this);
            _ = open.Queue.Abort(FfnStatus.Closed.ToException());
        }

        return open;
    }

    private OpenEngine Load(CancellationToken cancellationToken)
    {
        FfnEngine engine = CreateEngine(Options);
        FfnLog.Opened(_logger, Name, engine.Selection.ToString());
        OpenEngine open = Assemble(engine);
        try
        {
            RequireRanksAlike(engine);
            foreach ((string model, FfnModelOptions source) in Options.Models.OrderBy(static model => model.Key, StringComparer.Ordinal))
            {
                List<ServedLayer> loaded = ReadModel(open, model, source, cancellationToken);
                open.Layers = open.Layers.Replace(model, loaded);
            }

            return open;
        }
        catch
        {
            open.Dispose();
            throw;
        }
    }

    private OpenEngine Assemble(FfnEngine engine)
    {
        FfnBatchingOptions batching = Options.Batching;
        int processors = batching.MaxConcurrentBatches is > 0 and var most ? most : engine.Backend.ConcurrentForwards;
        var queue = new RequestQueue(batching, processors, _time, _metrics);
        var execution = new LayerExecution(OnBroken);
        int padded = batching.BatchInvariant ? BatchTokens : 0;
        var runners = new BatchRunners(
            queue,
            () => new BatchRunner(queue, execution, new BatchBuffer(BatchTokens, padded), _time, _metrics),
            processors);
        return new OpenEngine(engine, execution, new RequestDispatcher(queue, execution, _time, _metrics), queue, runners);
    }

    private IReadOnlyList<int> WarmupTokens => Options.Warmup.Tokens ?? [1, BatchTokens];

    // Rows of a batch at most; all forwards that requests may share have so many where bits shall not depend on their number.
    private int BatchTokens => Options.Batching.BatchInvariant
        ? Math.Min(Options.Batching.MaxBatchTokens, InvarianceCheck.MaxPaddedTokens)
        : Options.Batching.MaxBatchTokens;

    // A model keeps its share when it is replaced.
    private FairShare ShareOf(string model, FfnModelOptions source)
    {
        if (!_shares.TryGetValue(model, out FairShare? share) || share.Weight != source.Weight)
        {
            share = new FairShare(source.Weight, _share);
            _shares[model] = share;
        }

        return share;
    }

    private ServedLayer Serve(FfnLayerInfo info, FfnLayer layer, IDisposable? kept, FairShare model, ModelUse? use)
    {
        try
        {
            FfnLog.Loaded(_logger, Name, info.Name, info.Spec, info.WeightBytes, layer.Encodings, layer.Gemms);
            if (layer.Placement.Length > 0)
            {
                FfnLog.Placed(_logger, Name, info.Name, layer.Placement);
            }

            BatchBuffer.RequireRoom(info.Spec, BatchTokens);
            int batchTokens = MaxBatchTokensOf(info, layer);

            // What is filled up for the sake of its bits needs a batch's buffer.
            bool mayRunDirect = batchTokens == 0 || !Options.Batching.BatchInvariant;
            return new ServedLayer(
                info, layer, Name, batchTokens, mayRunDirect, new FairShare(1, model), kept, use);
        }
        catch
        {
            layer.Dispose();
            kept?.Dispose();
            throw;
        }
    }

    private int MaxBatchTokensOf(FfnLayerInfo info, FfnLayer layer)
    {
        if (!Options.Batching.Enabled)
        {
            return 0;
        }

        if (!Options.Batching.BatchInvariant)
        {
            return BatchTokens;
        }

        if (layer.Engine.Ranks > 1)
        {
            // How MPI adds depends on how much there is to add.
            FfnLog.RunsAlone(_logger, Name, info.Name);
            return 0;
        }

        if (Options.Engine.Autotune && Options.Warmup.Enabled)
        {
            // The warm-up would replace the algorithms that were tried.
            layer.Tune(BatchTokens);
        }

        if (InvarianceCheck.RowsCanShare(layer, BatchTokens, LayerForwards.Run))
        {
            return BatchTokens;
        }

        FfnLog.RunsAlone(_logger, Name, info.Name);
        return 0;
    }

    private bool TryWarmUp(OpenEngine open, CancellationToken cancellationToken)
    {
        try
        {
            if (Options.Warmup.Enabled)
            {
                EngineWarmup.Run(
                    open.Engine, open.Layers.All, WarmupTokens, Options.Engine.Autotune, WarmupForward, _time, cancellationToken);
                open.Runners.Start(Name);
                EngineWarmup.RunRequests(open, Options.Batching.MaxQueueDelay > TimeSpan.Zero);
            }
            else
            {
                open.Runners.Start(Name);
            }

            foreach (ServedLayer layer in open.Layers.All)
            {
                layer.StartCounting();
            }

            return true;
        }
        catch (Exception exception)
        {
            open.Dispose();
            if (exception is OperationCanceledException)
            {
                throw;
            }

            _ = Fail("The warm-up failed", exception);
            FfnLog.WarmupFailed(_logger, Name, exception);
            EndGroup(open.Engine, failed: true);
            return false;
        }
    }

    // Nobody sees the engine before it is ready, and one that was closed in between is not shown any more.
    private bool TryPublish(OpenEngine open)
    {
        bool published;
        lock (_gate)
        {
            published = _status.State == FfnState.Starting;
            if (published)
            {
                _status = ReadyOf(open);
                _open = open;
            }
        }

        if (!published)
        {
            open.Dispose();
            return false;
        }

        _metrics.Add(this);
        WatchRanks(open.Engine);
        return true;
    }

    private static FfnStatus ReadyOf(OpenEngine open)
    {
        int unloaded = open.Layers.Infos.Count - open.Layers.All.Count;
        string more = unloaded == 0 ? string.Empty : $" {unloaded} more are unloaded until they are asked for.";
        return new(FfnState.Ready, $"{open.Layers.All.Count} layers on {open.Engine.Backend.Name}.{more}");
    }

    private void OnBroken(Exception exception)
    {
        // Whoever ran something then meets it.
        if (Fail(Broke, exception))
        {
            FfnLog.Broke(_logger, Name, exception);
            if (_open is { } open)
            {
                EndGroup(open.Engine, failed: true);
            }
        }
    }

    private bool Fail(string what, Exception exception)
    {
        var failed = FfnStatus.Failed(what, exception);
        bool isFirst;
        lock (_gate)
        {
            isFirst = _status.State != FfnState.Failed;
            _status = isFirst ? failed : _status;
        }

        _ = _open?.Queue.Abort(failed.ToException());
        return isFirst;
    }

    private bool TryMove(FfnStatus status, FfnState from)
    {
        lock (_gate)
        {
            if (_status.State != from)
            {
                return false;
            }

            _status = status;
            return true;
        }
    }
}
