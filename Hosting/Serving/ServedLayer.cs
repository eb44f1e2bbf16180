using NativeFfn.Hosting.Batching;

namespace NativeFfn.Hosting.Serving;

/// <summary>A loaded layer with the queues in which its requests wait, one for each mode.</summary>
internal sealed class ServedLayer : IDisposable
{
    private readonly LayerQueue[] _queues;

    public ServedLayer(FfnLayerInfo info, FfnLayer layer, string engine, int maxBatchTokens)
    {
        Info = info;
        Layer = layer;
        Engine = engine;
        MaxBatchTokens = maxBatchTokens;
        _queues = [.. Enum.GetValues<FfnMode>().Select(mode => new LayerQueue(this, mode))];
    }

    public FfnLayerInfo Info { get; }

    public FfnLayer Layer { get; }

    /// <summary>The engine's name in metrics.</summary>
    public string Engine { get; }

    /// <summary>Tokens of requests that are run together at most; 0 where every request is run alone.</summary>
    public int MaxBatchTokens { get; }

    public LayerQueue Queue(FfnMode mode) => _queues[(int)mode];

    public void Dispose() => Layer.Dispose();
}
