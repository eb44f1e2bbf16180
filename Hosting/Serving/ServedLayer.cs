using NativeFfn.Hosting.Batching;

namespace NativeFfn.Hosting.Serving;

/// <summary>A loaded layer with the queues in which its requests wait, one for each mode.</summary>
internal sealed class ServedLayer : IDisposable
{
    private readonly LayerQueue[] _queues;
    private readonly long[] _before;

    public ServedLayer(FfnLayerInfo info, FfnLayer layer, string engine, int maxBatchTokens)
    {
        Info = info;
        Layer = layer;
        Engine = engine;
        MaxBatchTokens = maxBatchTokens;
        _before = new long[info.Spec.Mixture?.Experts ?? 0];
        _queues = [.. Enum.GetValues<FfnMode>().Select(mode => new LayerQueue(this, mode))];
    }

    public FfnLayerInfo Info { get; }

    public FfnLayer Layer { get; }

    /// <summary>The engine's name in metrics.</summary>
    public string Engine { get; }

    /// <summary>Tokens of requests that are run together at most; 0 where every request is run alone.</summary>
    public int MaxBatchTokens { get; }

    public LayerQueue Queue(FfnMode mode) => _queues[(int)mode];

    /// <summary>Counts a mixture's tokens from now on: those before were no request's.</summary>
    public void StartCounting() => Layer.ReadExpertTokens(_before);

    /// <summary>How many tokens of requests each expert of a mixture was sent.</summary>
    public long[] ReadExpertTokens()
    {
        long[] tokens = new long[_before.Length];
        Layer.ReadExpertTokens(tokens);
        return [.. tokens.Zip(_before, static (all, before) => all - before)];
    }

    public void Dispose() => Layer.Dispose();
}
