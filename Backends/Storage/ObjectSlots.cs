namespace NativeFfn.Backends.Storage;

/// <summary>A bounded pool of reusable objects: taking and giving back cost one exchange each, allocate nothing and never wait.</summary>
/// <typeparam name="T">What is pooled.</typeparam>
internal sealed class ObjectSlots<T> : IDisposable
    where T : class, IDisposable
{
    private readonly T?[] _slots;
    private readonly Func<T> _create;
    private volatile bool _disposed;

    /// <summary>An empty pool.</summary>
    /// <param name="capacity">Objects kept at most; more may be in use, the surplus is disposed when given back.</param>
    /// <param name="create">Makes one where none is free.</param>
    public ObjectSlots(int capacity, Func<T> create)
    {
        _slots = new T?[capacity];
        _create = create;
    }

    /// <summary>Takes a free object, or makes one.</summary>
    public T Take() => TryTake() ?? _create();

    /// <summary>Takes a free object, or null where there is none.</summary>
    public T? TryTake()
    {
        foreach (ref T? slot in _slots.AsSpan())
        {
            if (slot is not null && Interlocked.Exchange(ref slot, null) is { } item)
            {
                return item;
            }
        }

        return null;
    }

    /// <summary>Gives an object back.</summary>
    public void Return(T item)
    {
        foreach (ref T? slot in _slots.AsSpan())
        {
            if (_disposed)
            {
                break;
            }

            if (slot is null && Interlocked.CompareExchange(ref slot, item, null) is null)
            {
                // A pool disposed in between has passed this slot already.
                if (_disposed && Interlocked.Exchange(ref slot, null) is { } late)
                {
                    late.Dispose();
                }

                return;
            }
        }

        item.Dispose();
    }

    /// <summary>Disposes the free objects; those in use follow when they are given back.</summary>
    public void Dispose()
    {
        _disposed = true;
        foreach (ref T? slot in _slots.AsSpan())
        {
            Interlocked.Exchange(ref slot, null)?.Dispose();
        }
    }
}
