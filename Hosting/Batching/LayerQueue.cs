using NativeFfn.Hosting.Serving;

namespace NativeFfn.Hosting.Batching;

/// <summary>The waiting requests of one layer and mode, in the order of arrival. Guarded by the queue's lock.</summary>
internal sealed class LayerQueue
{
    private FfnRequest? _last;

    public LayerQueue(ServedLayer layer, FfnMode mode)
    {
        Layer = layer;
        Mode = mode;
    }

    public ServedLayer Layer { get; }

    public FfnMode Mode { get; }

    /// <summary>The oldest request.</summary>
    public FfnRequest? First { get; private set; }

    /// <summary>Tokens of all requests.</summary>
    public int Tokens { get; private set; }

    /// <summary>Whether the queue is among those that take turns.</summary>
    public bool HasTurn { get; set; }

    public void Append(FfnRequest request)
    {
        request.Previous = _last;
        request.Next = null;
        if (_last is null)
        {
            First = request;
        }
        else
        {
            _last.Next = request;
        }

        _last = request;
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
            First = request.Next;
        }

        if (request.Next is { } next)
        {
            next.Previous = request.Previous;
        }
        else
        {
            _last = request.Previous;
        }

        request.Previous = null;
        request.Next = null;
        Tokens -= request.Tokens;
        request.IsWaiting = false;
    }
}
