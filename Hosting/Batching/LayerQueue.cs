using NativeFfn.Hosting.Serving;
using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting.Batching;

/// <summary>The waiting requests of one layer, mode and priority, in the order of arrival. Guarded by the queue's lock.</summary>
internal sealed class LayerQueue
{
    private FfnRequest? _first;

    /// <summary>Nobody waits.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="mode">What is computed.</param>
    /// <param name="priority">Who goes first.</param>
    /// <param name="lower">The same layer and mode with the next lower priority.</param>
    public LayerQueue(ServedLayer layer, FfnMode mode, FfnPriority priority, LayerQueue? lower)
    {
        Layer = layer;
        Mode = mode;
        Priority = priority;
        Lower = lower;
        Tags = new ForwardTags(layer.Engine, layer.Info.Name, mode);
    }

    public ServedLayer Layer { get; }

    public FfnMode Mode { get; }

    public FfnPriority Priority { get; }

    /// <summary>What its measurements are tagged with.</summary>
    public ForwardTags Tags { get; }

    /// <summary>The same layer and mode with the next lower priority, whose requests may fill a batch up.</summary>
    public LayerQueue? Lower { get; }

    /// <summary>The oldest request. Looked at without the lock by who would run a request at once.</summary>
    public FfnRequest? First => Volatile.Read(ref _first);

    /// <summary>The newest request.</summary>
    public FfnRequest? Last { get; private set; }

    /// <summary>Tokens of all requests.</summary>
    public int Tokens { get; private set; }

    /// <summary>Whether the queue is among those that take turns.</summary>
    public bool HasTurn { get; set; }

    public void Append(FfnRequest request)
    {
        request.Previous = Last;
        request.Next = null;
        if (Last is null)
        {
            Volatile.Write(ref _first, request);
        }
        else
        {
            Last.Next = request;
        }

        Last = request;
        Tokens += request.Tokens;
        request.IsWaiting = true;
    }

    public void Remove(FfnRequest request)
    {
        if (request.Previous is { } previous)
        {
            previous.Next = request.Next;
        }
        else
        {
            Volatile.Write(ref _first, request.Next);
        }

        if (request.Next is { } next)
        {
            next.Previous = request.Previous;
        }
        else
        {
            Last = request.Previous;
        }

        request.Previous = null;
        request.Next = null;
        Tokens -= request.Tokens;
        request.IsWaiting = false;
    }
}
