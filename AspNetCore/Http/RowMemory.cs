using System.Buffers;

namespace NativeFfn.AspNetCore.Http;

/// <summary>Pooled arrays for bodies, bounded together, so that many clients cannot take what one may not.</summary>
/// <remarks>Safe for use by several threads at once.</remarks>
/// <param name="limit">Bytes that may be in use at a time.</param>
internal sealed class RowMemory(long limit)
{
    // 256 KiB: 32 rows of 2048. The system's pool keeps few arrays of a size, too few for all clients of a busy server; this one keeps
    // enough of the usual sizes, at most 112 MiB, and leaves rare large ones to the system, which trims them.
    private const int UsualElements = 64 * 1024;
    private const int ArraysOfEachSize = 256;

    private readonly ArrayPool<float> _usual = ArrayPool<float>.Create(UsualElements, ArraysOfEachSize);
    private long _used;

    /// <summary>Bytes in use.</summary>
    public long Used => Volatile.Read(ref _used);

    /// <summary>An array of at least so many elements, to be given back by <see cref="Return"/>.</summary>
    /// <exception cref="RequestException">The limit is reached.</exception>
    public float[] Rent(int elements)
    {
        float[] array = PoolOf(elements).Rent(elements);
        if (Interlocked.Add(ref _used, Bytes(array)) > limit)
        {
            Return(array);
            throw Exhausted();
        }

        return array;
    }

    /// <summary>Counts memory that is not of the pool, for as long as the share is not disposed.</summary>
    /// <exception cref="RequestException">The limit is reached.</exception>
    public Share Reserve(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        if (Interlocked.Add(ref _used, bytes) > limit)
        {
            Interlocked.Add(ref _used, -bytes);
            throw Exhausted();
        }

        return new Share(this, bytes);
    }

    public void Return(float[] array)
    {
        Interlocked.Add(ref _used, -Bytes(array));
        PoolOf(array.Length).Return(array);
    }

    private RequestException Exhausted() => new(
        ProblemKind.QueueFull, $"The bodies of all requests would take more than the {limit} bytes that are allowed.");

    private static long Bytes(float[] array) => (long)array.Length * sizeof(float);

    private ArrayPool<float> PoolOf(int elements) => elements <= UsualElements ? _usual : ArrayPool<float>.Shared;

    /// <summary>Memory that is counted and not held.</summary>
    internal sealed class Share(RowMemory memory, long bytes) : IDisposable
    {
        private long _bytes = bytes;

        public void Dispose() => Interlocked.Add(ref memory._used, -Interlocked.Exchange(ref _bytes, 0));
    }
}
