using CommunityToolkit.HighPerformance;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Streams;

/// <summary>Pinned memory that the caller's rows are copied through, because a device copies from nowhere else without waiting.</summary>
internal sealed unsafe class PinnedRows(DeviceAllocator allocator) : IDisposable
{
    private PinnedMemory? _memory;

    /// <summary>Bytes that there is room for.</summary>
    public long Bytes => _memory?.Bytes ?? 0;

    /// <summary>Makes room; the contents are lost where it moves.</summary>
    /// <param name="bytes">Bytes.</param>
    /// <returns>Whether the memory moved.</returns>
    public bool Reserve(long bytes)
    {
        if (Bytes >= bytes)
        {
            return false;
        }

        _memory?.Dispose();
        _memory = null;
        _memory = allocator.AllocatePinned(bytes, "Rows on the host");
        return true;
    }

    /// <summary>A float of the memory.</summary>
    /// <param name="offset">Elements from its start.</param>
    public float* At(long offset) => (float*)_memory!.Pointer + offset;

    /// <summary>Copies rows in, one behind the other.</summary>
    public void Write(ReadOnlySpan2D<float> rows, long offset) => rows.CopyTo(Span(offset, rows.Length));

    /// <summary>Copies rows out.</summary>
    public void Read(Span2D<float> rows, long offset) =>
        new ReadOnlySpan2D<float>(At(offset), rows.Height, rows.Width, 0).CopyTo(rows);

    /// <inheritdoc/>
    public void Dispose() => _memory?.Dispose();

    private Span<float> Span(long offset, nint elements) => new(At(offset), checked((int)elements));
}
