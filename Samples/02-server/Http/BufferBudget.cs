namespace NativeFfn.Server.Http;

/// <summary>Bounds the memory of all bodies together, so that many clients cannot do what one may not.</summary>
/// <param name="limit">Bytes.</param>
internal sealed class BufferBudget(long limit)
{
    private long _used;

    /// <summary>Takes bytes, to be given back by <see cref="Return"/>.</summary>
    /// <exception cref="RequestException">The limit is reached.</exception>
    public void Take(long bytes)
    {
        if (Interlocked.Add(ref _used, bytes) > limit)
        {
            Return(bytes);
            throw new RequestException(ProblemKind.QueueFull, $"The bodies of all requests would take more than the {limit} bytes that are allowed.");
        }
    }

    public void Return(long bytes) => Interlocked.Add(ref _used, -bytes);

    /// <summary>Bytes in use.</summary>
    public long Used => Volatile.Read(ref _used);
}
