using NativeFfn.Hosting.Batching;
using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Serving;

/// <content>Models that come and go while others are served.</content>
internal sealed partial class FfnRuntime : IFfnModels
{
    private readonly SemaphoreSlim _changes = new(1);

    // What the health check adds: the model that is being loaded, or what the last one failed of.
    private volatile string? _change;

    /// <inheritdoc/>
    public async Task ReloadAsync(string model, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        await _changes.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            FfnModelOptions source = Options.Models.TryGetValue(model, out FfnModelOptions? named) ? named
                : throw UnknownModel(model, Options.Models.Keys);
            await ReplaceAsync(model, source, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _changes.Release();
        }
    }

    /// <summary>Serves the models of changed options; what fails is logged, and leaves the model as it was.</summary>
    public async Task ApplyAsync(NativeFfnOptions changed)
    {
        await _changes.WaitAsync().ConfigureAwait(false);
        try
        {
            // New ones before old ones go, so that there is always one.
            foreach (string model in changed.Models.Keys.Concat(Options.Models.Keys.Except(changed.Models.Keys)).ToArray())
            {
                FfnModelOptions? source = changed.Models.TryGetValue(model, out FfnModelOptions? named) ? named : null;
                if (source is null || !Options.Models.TryGetValue(model, out FfnModelOptions? served) || !source.IsSameSource(served))
                {
                    await TryReplaceAsync(model, source).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            _changes.Release();
        }
    }

    private static FfnLayerNotFoundException UnknownModel(string model, IEnumerable<string> names) =>
        new(model, $"There is no model '{model}'. There are {string.Join(", ", names.Order(StringComparer.Ordinal))}.");

    private async Task TryReplaceAsync(string model, FfnModelOptions? source)
    {
        try
        {
            await ReplaceAsync(model, source, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // Logged, counted, and told by the health check.
        }
    }

    private async Task ReplaceAsync(string model, FfnModelOptions? source, CancellationToken cancellationToken)
    {
        OpenEngine open = _open ?? throw Status.ToException();
        if (open.Engine.Ranks > 1)
        {
            throw new NotSupportedException(
                $"Model '{model}' is cut over {open.Engine.Ranks} ranks, which load it at start. Start the job anew to replace it.");
        }

        long started = _time.GetTimestamp();
        _change = $"Model '{model}' is being loaded.";
        List<ServedLayer> loaded = [];
        IReadOnlyList<ServedLayer> replaced;
        try
        {
            if (source is not null)
            {
                loaded = await Task.Run(() => LoadModel(open, model, source, cancellationToken), cancellationToken).ConfigureAwait(false);
            }

            replaced = Switch(open, model, source, loaded);
            _change = null;
        }
        catch (Exception exception)
        {
            loaded.ForEach(static layer => layer.Dispose());
            _change = exception is OperationCanceledException ? null : $"Model '{model}' could not be replaced: {exception.Message}";
            _metrics.Reloaded(Name, model, exception);
            FfnLog.NotReplaced(_logger, Name, model, exception);
            throw;
        }

        _metrics.Reloaded(Name, model, failure: null);
        foreach (ServedLayer layer in replaced)
        {
            await layer.FreeAsync().ConfigureAwait(false);
        }

        FfnLog.Replaced(
            _logger, Name, model, _time.GetElapsedTime(started).TotalSeconds, loaded.Count, BytesOf(loaded));
    }

    // Reads a model and runs it once, so that the first request finds it ready.
    private List<ServedLayer> LoadModel(OpenEngine open, string model, FfnModelOptions source, CancellationToken cancellationToken)
    {
        List<ServedLayer> loaded = ReadModel(open, model, source, cancellationToken);
        try
        {
            if (Options.Warmup.Enabled)
            {
                EngineWarmup.Run(
                    open.Engine, loaded, WarmupTokens, Options.Engine.Autotune, WarmupForward, _time, cancellationToken);
            }

            loaded.ForEach(static layer => layer.StartCounting());
            return loaded;
        }
        catch
        {
            loaded.ForEach(static layer => layer.Dispose());
            throw;
        }
    }

    // Reads a model's layers; others make room.
    private List<ServedLayer> ReadModel(OpenEngine open, string model, FfnModelOptions source, CancellationToken cancellationToken)
    {
        FairShare share = ShareOf(model, source);
        ModelUse? use = UseOf(model, source);
        var loaded = new List<ServedLayer>();
        try
        {
            ModelLoader.Load(
                open.Engine, Options, model, source,
                (info, layer, kept) =>
                {
                    loaded.Add(Serve(info, layer, kept, share, use));
                    MakeRoom(open, model, BytesOf(loaded));
                },
                cancellationToken);
            return loaded;
        }
        catch
        {
            loaded.ForEach(static layer => layer.Dispose());
            throw;
        }
    }

    // From here on requests find the new layers.
    private ServedLayer[] Switch(OpenEngine open, string model, FfnModelOptions? source, List<ServedLayer> loaded)
    {
        lock (_gate)
        {
            if (_open != open)
            {
                throw _status.ToException();
            }

            ServedLayer[] replaced = open.Layers.Of(model);
            open.Layers = open.Layers.Replace(model, loaded);
            if (source is null)
            {
                Options.Models.Remove(model);
            }
            else
            {
                Options.Models[model] = source;
            }

            if (_status.State == FfnState.Ready)
            {
                _status = ReadyOf(open);
            }

            loaded.ForEach(_metrics.BeginAtZero);
            EndDemand(model, open.Layers);
            return replaced;
        }
    }
}
