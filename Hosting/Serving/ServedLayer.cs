using NativeFfn.Hosting.Batching;

namespace NativeFfn.Hosting.Serving;

/// <summary>A loaded layer with the lanes in which its requests wait, one for each mode.</summary>
internal sealed class ServedLayer : IDisposable
{
    private readonly RequestLane[] _lanes;

    public ServedLayer(FfnLayerInfo info, FfnLayer layer, string engine, int maxBatchTokens)
    {
        Info = info;
        Layer = layer;
        Engine = engine;
        MaxBatchTokens = maxBatchTokens;
        _lanes = [.. Enum.GetValues<FfnMode>().Select(mode => new RequestLane(this, mode))];
    }

    public FfnLayerInfo Info { get; }

    public FfnLayer Layer { get; }

    /// <summary>The engine's name in metrics.</summary>
    public string Engine { get; }

    /// <summary>Tokens of requests that are run together at most; 0 where every request is run alone.</summary>
    public int MaxBatchTokens { get; }

    public RequestLane Lane(FfnMode mode) => _lanes[(int)mode];

    public void Dispose() => Layer.Dispose();
}
