namespace NativeFfn.Hosting.Serving;

/// <summary>Finds the layer, proves the request, and runs it or hands it to the queue.</summary>
internal sealed class FfnClient : IFfnClient
{
    private readonly FfnRuntime _runtime;

    public FfnClient(FfnRuntime runtime) => _runtime = runtime;

    /// <inheritdoc/>
    public IReadOnlyList<FfnLayerInfo> Layers => Open().Layers.Infos;

    /// <inheritdoc/>
    public ValueTask ForwardAsync(
        string layer, ReadOnlyMemory<float> input, Memory<float> output, CancellationToken cancellationToken) =>
        ForwardAsync(layer, input, output, default, cancellationToken);

    /// <inheritdoc/>
    public ValueTask ForwardAsync(
        string layer,
        ReadOnlyMemory<float> input,
        Memory<float> output,
        in FfnRequestOptions options = default,
        CancellationToken cancellationToken = default)
    {
        if (_runtime.Open is not { } open)
        {
            return ValueTask.FromException(_runtime.Status.ToException());
        }

        FfnBatchingOptions batching = _runtime.Options.Batching;
        TimeSpan deadline = options.Deadline ?? batching.DefaultDeadline ?? Timeout.InfiniteTimeSpan;
        while (true)
        {
            LayerPlace place = open.Layers.Find(layer);
            int tokens = RequestGuard.Check(place.Info, options, input.Span, output.Span, batching);
            if (tokens == 0)
            {
                return ValueTask.CompletedTask;
            }

            if (place.Served is not { } served)
            {
                return ForwardOnDemandAsync(open, place.Info, input, output, tokens, options, deadline, cancellationToken);
            }

            // Again where a model was replaced between here and there.
            if (open.Dispatcher.TrySubmit(
                served.Queue(options.Mode, options.Priority), input, output, tokens, deadline, cancellationToken, out ValueTask answer))
            {
                return answer;
            }
        }
    }

    /// <inheritdoc/>
    public bool WouldRefuse(string layer, int tokens, out TimeSpan retryAfter)
    {
        retryAfter = default;
        return _runtime.Open is { } open && open.Layers.Find(layer).Served is { } served
            && open.Queue.WouldRefuse(served.Queue(FfnMode.Ffn), tokens, out retryAfter);
    }

    /// <inheritdoc/>
    public FfnLayer GetLayer(string layer)
    {
        LayerPlace place = Open().Layers.Find(layer);
        return place.Served?.Layer ?? throw new FfnUnavailableException(
            $"Layer '{place.Info.Name}' is not in memory: model '{place.Info.Model}' was unloaded to make room. A forward or "
            + "IFfnModels.LoadAsync loads it.");
    }

    private async ValueTask ForwardOnDemandAsync(
        OpenEngine open, FfnLayerInfo layer, ReadOnlyMemory<float> input, Memory<float> output, int tokens, FfnRequestOptions options,
        TimeSpan deadline, CancellationToken cancellationToken)
    {
        long started = _runtime.Time.GetTimestamp();
        ServedLayer served = await _runtime.DemandAsync(layer, tokens, deadline, cancellationToken).ConfigureAwait(false);
        try
        {
            // The model may be another one than the one that was unloaded.
            tokens = RequestGuard.Check(served.Info, options, input.Span, output.Span, _runtime.Options.Batching);
        }
        catch
        {
            served.Release();
            throw;
        }

        TimeSpan left = deadline;
        if (deadline != Timeout.InfiniteTimeSpan)
        {
            left -= _runtime.Time.GetElapsedTime(started);
            left = left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }

        await open.Dispatcher.Submit(served.Queue(options.Mode, options.Priority), input, output, tokens, left, cancellationToken)
            .ConfigureAwait(false);
    }

    private OpenEngine Open() => _runtime.Open ?? throw _runtime.Status.ToException();
}
