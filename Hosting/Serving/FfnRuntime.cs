using Microsoft.Extensions.Logging;
using NativeFfn.Hosting.Batching;
using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Serving;

/// <summary>The life of one engine in a server: opened and warmed up, drained, closed; what it is at the moment is kept for all to read.</summary>
internal sealed class FfnRuntime : IDisposable, IAsyncDisposable
{
    private readonly TimeProvider _time;
    private readonly FfnMetrics _metrics;
    private readonly ILogger _logger;
    private readonly object _gate = new();
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

    public FfnStatus Status => _status;

    /// <summary>Runs the rows of the warm-up; tests have it fail.</summary>
    public LayerForward WarmupForward { get; set; } = LayerForwards.Run;

    /// <summary>What runs requests; null before the layers are loaded and after shutdown.</summary>
    public OpenEngine? Open => _open;

    public int WaitingTokens => _open?.Queue.WaitingTokens ?? 0;

    public IReadOnlyList<ServedLayer> ServedLayers => _open?.Layers.All ?? [];

    public IReadOnlyList<FfnLayerInfo> LoadedLayers => _open?.Layers.Infos ?? [];

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
            if (TryWarmUp(open, cancellationToken) && TryPublish(open))
            {
                FfnLog.Ready(
                    _logger, Name, _time.GetElapsedTime(started).TotalSeconds, open.Layers.All.Count, open.Layers.Infos.Sum(static layer => layer.WeightBytes));
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
        if (_open is { } open)
        {
            FfnUnavailableException closed = FfnStatus.Closed.ToException();
            open.Queue.Close(closed);
            try
            {
                await open.Runner.Ended.WaitAsync(Options.DrainTimeout, _time, cancellationToken).ConfigureAwait(false);
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
            open.Runner.Ended.GetAwaiter().GetResult();
            open.Dispose();
        }
    }

    /// <inheritdoc cref="Dispose"/>
    public async ValueTask DisposeAsync()
    {
        if (BeginDispose() is { } open)
        {
            await open.Runner.Ended.ConfigureAwait(false);
            open.Dispose();
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
        FfnEngine engine = ModelLoader.OpenEngine(Options);
        FfnLog.Opened(_logger, Name, engine.Selection.ToString());
        var layers = new List<ServedLayer>();
        try
        {
            ModelLoader.Load(engine, Options, (info, layer) => layers.Add(Serve(info, layer)), cancellationToken);
            FfnBatchingOptions batching = Options.Batching;
            var queue = new RequestQueue(batching, _time, _metrics);
            var buffer = new BatchBuffer(layers, batching.BatchInvariant ? PaddedTokens : batching.MaxBatchTokens);
            var runner = new BatchRunner(queue, buffer, batching.BatchInvariant ? PaddedTokens : 0, _time, _metrics, OnBroken);
            return new OpenEngine(engine, new ServedLayers(layers), queue, runner);
        }
        catch
        {
            layers.ForEach(static layer => layer.Dispose());
            engine.Dispose();
            throw;
        }
    }

    private int PaddedTokens => Math.Min(Options.Batching.MaxBatchTokens, InvarianceCheck.MaxPaddedTokens);

    private ServedLayer Serve(FfnLayerInfo info, FfnLayer layer)
    {
        FfnLog.Loaded(_logger, Name, info.Name, info.Spec, info.WeightBytes);
        return new ServedLayer(info, layer, Name, MaxBatchTokensOf(info, layer));
    }

    private int MaxBatchTokensOf(FfnLayerInfo info, FfnLayer layer)
    {
        if (!Options.Batching.Enabled)
        {
            return 0;
        }

        if (!Options.Batching.BatchInvariant)
        {
            return Options.Batching.MaxBatchTokens;
        }

        if (InvarianceCheck.RowsAreEqualEverywhere(layer, PaddedTokens))
        {
            return PaddedTokens;
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
                WarmUp(open.Layers, cancellationToken);
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

            Fail("The warm-up failed", exception);
            FfnLog.WarmupFailed(_logger, Name, exception);
            return false;
        }
    }

    private void WarmUp(ServedLayers layers, CancellationToken cancellationToken)
    {
        foreach (ServedLayer layer in layers.All)
        {
            foreach (int tokens in Options.Warmup.Tokens ?? [1, Options.Batching.MaxBatchTokens])
            {
                FfnSpec spec = layer.Info.Spec;
                layer.Layer.Warmup(tokens);
                WarmupForward(layer.Layer, FfnMode.Ffn, new float[checked(tokens * spec.InputWidth)], new float[checked(tokens * spec.OutputWidth)]);
                cancellationToken.ThrowIfCancellationRequested();
            }
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
                _status = new FfnStatus(FfnState.Ready, $"{open.Layers.All.Count} layers on {open.Engine.Backend.Name}.");
                _open = open;
            }
        }

        if (!published)
        {
            open.Dispose();
            return false;
        }

        _metrics.Add(this);
        open.Runner.Start(Name);
        return true;
    }

    private void OnBroken(Exception exception)
    {
        Fail("The engine broke", exception);
        FfnLog.Broke(_logger, Name, exception);
    }

    private void Fail(string what, Exception exception)
    {
        var failed = FfnStatus.Failed(what, exception);
        lock (_gate)
        {
            _status = failed;
        }

        _ = _open?.Queue.Abort(failed.ToException());
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
