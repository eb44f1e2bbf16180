using NativeFfn.Hosting.Batching;

namespace NativeFfn.Hosting.Serving;

/// <summary>A loaded layer with the queues in which its requests wait, one for each mode and priority.</summary>
internal sealed class ServedLayer : IDisposable
{
    private static readonly FfnMode[] Modes = Enum.GetValues<FfnMode>();
    private static readonly FfnPriority[] Priorities = Enum.GetValues<FfnPriority>();

    private readonly LayerQueue[] _queues;
    private readonly long[] _before;
    private readonly IDisposable? _kept;
    private readonly ModelUse? _use;
    private readonly TaskCompletionSource _unused = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _users;
    private volatile bool _isRetired;

    /// <summary>Nothing waits.</summary>
    /// <param name="info">What is told of it.</param>
    /// <param name="layer">The layer, owned from now on.</param>
    /// <param name="engine">The engine's name.</param>
    /// <param name="maxBatchTokens">Tokens of requests that are run together at most; 0 where every request is run alone.</param>
    /// <param name="mayRunDirect">Whether requests may run on their callers' threads.</param>
    /// <param name="share">Its part of the engine.</param>
    /// <param name="kept">What it reads from while it is served, disposed with it; null where it has all it needs.</param>
    /// <param name="use">Told of requests, where the model may be unloaded.</param>
    public ServedLayer(
        FfnLayerInfo info, FfnLayer layer, string engine, int maxBatchTokens, bool mayRunDirect, FairShare share, IDisposable? kept = null,
        ModelUse? use = null)
    {
        Info = info;
        Layer = layer;
        Engine = engine;
        MaxBatchTokens = maxBatchTokens;
        MayRunDirect = mayRunDirect;
        Share = share;
        _kept = kept;
        _use = use;
        _before = new long[info.Spec.Mixture?.Experts ?? 0];
        _queues = new LayerQueue[Modes.Length * Priorities.Length];
        foreach (FfnMode mode in Modes)
        {
            LayerQueue? lower = null;
            foreach (FfnPriority priority in Priorities.Order())
            {
                lower = new LayerQueue(this, mode, priority, lower);
                _queues[Place(mode, priority)] = lower;
            }
        }
    }

    public FfnLayerInfo Info { get; }

    public FfnLayer Layer { get; }

    /// <summary>The engine's name in metrics.</summary>
    public string Engine { get; }

    /// <summary>Tokens of requests that are run together at most; 0 where every request is run alone.</summary>
    public int MaxBatchTokens { get; }

    /// <summary>Whether requests may run on their callers' threads.</summary>
    public bool MayRunDirect { get; }

    /// <summary>Its part of the engine.</summary>
    public FairShare Share { get; }

    /// <summary>How long its forwards take.</summary>
    public ForwardTimes Times { get; } = new();

    /// <summary>Whether what runs is a client's request, and not part of the warm-up.</summary>
    public bool IsCounting { get; private set; }

    public LayerQueue Queue(FfnMode mode, FfnPriority priority = FfnPriority.Normal) => _queues[Place(mode, priority)];

    /// <summary>Counts requests from now on, and a mixture's tokens: those before were no client's.</summary>
    public void StartCounting()
    {
        Layer.ReadExpertTokens(_before);
        IsCounting = true;
    }

    /// <summary>How many tokens of requests each expert of a mixture was sent.</summary>
    public long[] ReadExpertTokens()
    {
        long[] tokens = new long[_before.Length];
        Layer.ReadExpertTokens(tokens);
        return [.. tokens.Zip(_before, static (all, before) => all - before)];
    }

    /// <summary>A request wants the layer; where it may have it, <see cref="Release"/> follows.</summary>
    /// <returns>False where another layer has taken its place.</returns>
    public bool TryUse()
    {
        Interlocked.Increment(ref _users);
        if (!_isRetired)
        {
            _use?.Touch();
            return true;
        }

        Release();
        return false;
    }

    /// <summary>A request is done with the layer.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0 && _isRetired)
        {
            _unused.TrySetResult();
        }
    }

    /// <summary>Lets no more requests have the layer, and waits for those that have it.</summary>
    public Task RetireAsync()
    {
        _isRetired = true;
        Interlocked.Increment(ref _users);
        Release();
        return _unused.Task;
    }

    /// <summary>Frees it once those that have it are answered.</summary>
    public async Task FreeAsync()
    {
        await RetireAsync().ConfigureAwait(false);
        Dispose();
    }

    public void Dispose()
    {
        Layer.Dispose();
        _kept?.Dispose();
    }

    private static int Place(FfnMode mode, FfnPriority priority) => ((int)mode * Priorities.Length) + (int)priority - (int)FfnPriority.Low;
}
