namespace NativeFfn.Hosting.Serving;

/// <summary>Finds the layer, proves the request, and hands it to the queue.</summary>
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
        ServedLayer served = open.Layers.Find(layer);
        int tokens = RequestGuard.Check(served.Info, options.Mode, input.Span, output.Span, batching);
        if (tokens == 0)
        {
            return ValueTask.CompletedTask;
        }

        TimeSpan deadline = options.Deadline ?? batching.DefaultDeadline ?? Timeout.InfiniteTimeSpan;
        return open.Queue.Submit(served.Queue(options.Mode), input, output, tokens, deadline, cancellationToken);
    }

    /// <inheritdoc/>
    public bool WouldRefuse(string layer, int tokens, out TimeSpan retryAfter)
    {
        retryAfter = default;
        return _runtime.Open is { } open && open.Queue.WouldRefuse(open.Layers.Find(layer).Queue(FfnMode.Ffn), tokens, out retryAfter);
    }

    /// <inheritdoc/>
    public FfnLayer GetLayer(string layer) => Open().Layers.Find(layer).Layer;

    private OpenEngine Open() => _runtime.Open ?? throw _runtime.Status.ToException();
}
