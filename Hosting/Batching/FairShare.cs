namespace NativeFfn.Hosting.Batching;

/// <summary>What a model or a layer has had of the engine, beside others that want it too. Guarded by the queue's lock.</summary>
/// <remarks>
/// Weighted fair queueing: whoever has had the least for its weight is next. Who wanted nothing for a while has no claim on that time.
/// </remarks>
internal sealed class FairShare
{
    private readonly FairShare? _parent;

    // The largest Used of those below that was served: where one that returns begins.
    private double _reached;

    /// <summary>Nothing is used yet.</summary>
    /// <param name="weight">The part beside others; positive.</param>
    /// <param name="parent">Of what it is a part.</param>
    public FairShare(double weight, FairShare? parent)
    {
        Weight = weight;
        _parent = parent;
    }

    /// <summary>Seconds used so far, over the weight.</summary>
    public double Used { get; private set; }

    /// <summary>The part beside others.</summary>
    public double Weight { get; }

    /// <summary>Tokens that wait.</summary>
    public int Waiting { get; private set; }

    /// <summary>Tokens begin to wait, or do so no longer where they are negative.</summary>
    public void Wait(int tokens)
    {
        if (_parent is { } parent)
        {
            parent.Wait(tokens);
            Used = Waiting == 0 ? Math.Max(Used, parent._reached) : Used;
        }

        Waiting += tokens;
    }

    /// <summary>Is served, for about so many seconds of all processors.</summary>
    public void Use(double seconds)
    {
        if (_parent is { } parent)
        {
            parent._reached = Math.Max(parent._reached, Used);
            Used += seconds / Weight;
            parent.Use(seconds);
        }
    }

    /// <summary>Whether this one is to be served before another: by the models' shares, and within a model by the layers'.</summary>
    public bool IsBefore(FairShare other) =>
        _parent == other._parent ? Used < other.Used : _parent!.IsBefore(other._parent!);
}
