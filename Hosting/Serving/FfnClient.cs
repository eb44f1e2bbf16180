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
        ValueTask answer;
        int tokens;
        ServedLayer served;
        do
        {
            // Again where a model was replaced between here and there.
            served = open.Layers.Find(layer);
            tokens = RequestGuard.Check(served.Info, options, input.Span, output.Span, batching);
            if (tokens == 0)
            {
                return ValueTask.CompletedTask;
            }
        }
        while (!open.Dispatcher.TrySubmit(
            served.Queue(options.Mode, options.Priority), input, output, tokens, deadline, cancellationToken, out answer));
        return answer;
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
