using System.Diagnostics.CodeAnalysis;
using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Serving;

/// <content>Models that go where there is no room for all, and come back when they are asked for.</content>
internal sealed partial class FfnRuntime
{
    // A model that could not be loaded is not read again for so long, however many ask for it.
    private static readonly TimeSpan RetryTime = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, ModelUse> _uses = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ModelDemand> _demands = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long Time, Exception Problem)> _refused = new(StringComparer.Ordinal);
    private int _tokensOnDemand;

    /// <inheritdoc/>
    public async Task LoadAsync(string model, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        OpenEngine open = _open ?? throw Status.ToException();
        FfnLayerInfo first = open.Layers.Infos.FirstOrDefault(info => info.Model == model)
            ?? throw UnknownModel(model, open.Layers.Infos.Select(static info => info.Model).Distinct());
        (await DemandAsync(first, tokens: 0, Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false)).Release();
    }

    /// <summary>Waits for a layer's model to be in memory, and loads it where nobody does yet.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="tokens">Tokens that wait with the caller; with all others' they may be as many as the queue holds.</param>
    /// <param name="deadline">How long the caller waits.</param>
    /// <param name="cancellationToken">Ends the wait, and not the loading.</param>
    /// <returns>The layer, which the caller holds from now on (<see cref="ServedLayer.Release"/>).</returns>
    /// <exception cref="FfnQueueFullException">So many tokens wait for models that these do not fit.</exception>
    /// <exception cref="FfnDeadlineException">It takes longer than the deadline.</exception>
    /// <exception cref="FfnUnavailableException">It cannot be loaded, or the engine takes no requests.</exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public async Task<ServedLayer> DemandAsync(FfnLayerInfo layer, int tokens, TimeSpan deadline, CancellationToken cancellationToken)
    {
        try
        {
            return await WaitAsync(layer, tokens, deadline, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            _metrics.Rejected(Name, layer.Name, RejectionReason.Of(exception));
            throw;
        }
    }

    private async Task<ServedLayer> WaitAsync(FfnLayerInfo layer, int tokens, TimeSpan deadline, CancellationToken cancellationToken)
    {
        int capacity = Options.Batching.QueueCapacityTokens;
        Task<ServedLayer>? loading = null;
        try
        {
            if (Interlocked.Add(ref _tokensOnDemand, tokens) > capacity)
            {
                throw new FfnQueueFullException(
                    $"{capacity} tokens may wait for models that are being loaded (Batching:QueueCapacityTokens), and {tokens} do not fit.",
                    RetryTime);
            }

            loading = Demand(layer);
            return await loading.WaitAsync(deadline, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException && loading is not null)
        {
            // What comes in spite of that is held by nobody.
            _ = loading.ContinueWith(
                static held => held.Result.Release(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion,
                TaskScheduler.Default);
            throw exception is OperationCanceledException ? exception
                : new FfnDeadlineException($"The deadline passed while model '{layer.Model}' was being loaded.");
        }
        finally
        {
            Interlocked.Add(ref _tokensOnDemand, -tokens);
        }
    }

    private Task<ServedLayer> Demand(FfnLayerInfo layer)
    {
        lock (_gate)
        {
            OpenEngine open = _open ?? throw _status.ToException();
            if (open.Layers.Find(layer.Name).Served is { } served && served.TryUse())
            {
                return Task.FromResult(served);
            }

            if (_demands.TryGetValue(layer.Model, out ModelDemand? demand))
            {
                return demand.Add(layer.Name);
            }

            if (_refused.TryGetValue(layer.Model, out (long Time, Exception Problem) last) && _time.GetElapsedTime(last.Time) < RetryTime)
            {
                throw CannotBeLoaded(layer.Model, last.Problem);
            }

            _demands[layer.Model] = demand = new ModelDemand();
            Task<ServedLayer> loading = demand.Add(layer.Name);
            _ = Task.Run(() => LoadOnDemandAsync(layer.Model));
            return loading;
        }
    }

    private async Task LoadOnDemandAsync(string model)
    {
        await _changes.WaitAsync().ConfigureAwait(false);
        List<ServedLayer> loaded = [];
        try
        {
            if (!NeedsLoading(model, out OpenEngine? open, out FfnModelOptions? source))
            {
                return;
            }

            long started = _time.GetTimestamp();
            _change = $"Model '{model}' is being loaded.";
            MakeRoom(open, model, open.Layers.Infos.Where(info => info.Model == model).Sum(static info => info.WeightBytes));
            loaded = LoadModel(open, model, source, CancellationToken.None);
            _ = Switch(open, model, source, loaded);
            _change = null;
            _metrics.Loaded(Name, model, failure: null);
            FfnLog.LoadedOnDemand(
                _logger, Name, model, _time.GetElapsedTime(started).TotalSeconds, loaded.Count, BytesOf(loaded));
        }
        catch (Exception exception)
        {
            loaded.ForEach(static layer => layer.Dispose());
            _change = $"Model '{model}' could not be loaded: {exception.Message}";
            lock (_gate)
            {
                _refused[model] = (_time.GetTimestamp(), exception);
                EndDemand(model, () => CannotBeLoaded(model, exception));
            }

            _metrics.Loaded(Name, model, exception);
            FfnLog.NotLoaded(_logger, Name, model, exception);
        }
        finally
        {
            _changes.Release();
        }
    }

    // Who asks need not know where the host keeps its files; the log and the health check do.
    private static FfnUnavailableException CannotBeLoaded(string model, Exception exception) =>
        new($"Model '{model}' was unloaded and cannot be loaded again. The server's log says why; try again later.", exception);

    // Whoever had the turn before may have loaded it, or it is gone from the configuration.
    private bool NeedsLoading(string model, [NotNullWhen(true)] out OpenEngine? open, [NotNullWhen(true)] out FfnModelOptions? source)
    {
        lock (_gate)
        {
            source = null;
            open = _open;
            if (open is null)
            {
                return false;
            }

            if (!Options.Models.TryGetValue(model, out source) || open.Layers.Of(model).Length > 0)
            {
                EndDemand(model, open.Layers);
                return false;
            }

            return true;
        }
    }

    // Ranks load the same layers in the same order, and only one of them has requests.
    private void RequireRanksAlike(FfnEngine engine)
    {
        if (engine.Ranks > 1 && Options.MaxWeightBytes > 0)
        {
            throw new FfnHostingException(
                $"{Options.Section}:{nameof(Options.MaxWeightBytes)} is {Options.MaxWeightBytes}, but the layers are cut over "
                + $"{engine.Ranks} ranks, which keep all models. Leave it out.");
        }
    }

    // Unloads models until so many bytes fit; the one that needs them last, whose other copy this may be.
    private void MakeRoom(OpenEngine open, string model, long bytes)
    {
        long bound = Options.MaxWeightBytes;
        while (bound > 0 && open.Layers.WeightBytes + bytes > bound)
        {
            string? oldest = open.Layers.All.Select(static layer => layer.Info.Model).Distinct()
                .Where(other => Options.Models.TryGetValue(other, out FfnModelOptions? source) && source.MayUnload)
                .MinBy(other => (other == model, _uses[other].Last));
            if (oldest is null)
            {
                throw new FfnHostingException(
                    $"{Options.Section}:{nameof(Options.MaxWeightBytes)} is {bound}, but model '{model}' needs {bytes} bytes beside "
                    + $"{open.Layers.WeightBytes} of models that must stay. Raise it, or let others go by {Options.Section}:"
                    + $"{OptionTable.ModelKey(nameof(FfnModelOptions.MayUnload))}.");
            }

            Unload(open, oldest);
        }
    }

    private void Unload(OpenEngine open, string model)
    {
        ServedLayer[] gone;
        lock (_gate)
        {
            gone = open.Layers.Of(model);
            open.Layers = open.Layers.Unload(model);
            if (_open == open && _status.State == FfnState.Ready)
            {
                _status = ReadyOf(open);
            }
        }

        foreach (ServedLayer layer in gone)
        {
            layer.FreeAsync().GetAwaiter().GetResult();
        }

        _metrics.Unloaded(Name, model);
        FfnLog.Unloaded(_logger, Name, model, gone.Length, BytesOf(gone));
    }

    private static long BytesOf(IEnumerable<ServedLayer> layers) => layers.Sum(static layer => layer.Info.WeightBytes);

    // Being loaded counts as being asked for, so that a model is not the first to go that has just come.
    private ModelUse? UseOf(string model, FfnModelOptions source)
    {
        if (!source.MayUnload)
        {
            return null;
        }

        if (!_uses.TryGetValue(model, out ModelUse? use))
        {
            _uses[model] = use = new ModelUse();
        }

        use.Touch();
        return use;
    }

    private void EndDemand(string model, ServedLayers layers)
    {
        _refused.Remove(model);
        if (_demands.Remove(model, out ModelDemand? demand))
        {
            demand.Complete(layers);
        }
    }

    private void EndDemand(string model, Func<Exception> reason)
    {
        if (_demands.Remove(model, out ModelDemand? demand))
        {
            demand.Fail(reason);
        }
    }

    private void EndDemands(Func<Exception> reason)
    {
        foreach (string model in _demands.Keys.ToArray())
        {
            EndDemand(model, reason);
        }
    }
}
