namespace NativeFfn.Tests.Software;

/// <summary>
/// What another library in the process would have made: contexts, streams and memory that the product may use and must not free.
/// </summary>
internal sealed unsafe class ForeignCuda(SoftwareDevice device, int ordinal = 0)
{
    private readonly List<Allocation> _allocations = [];

    /// <summary>CUcontext of the foreign context.</summary>
    public nint Context => Own.Handle;

    private SoftwareContext Own => field ??= device.AddContext(ordinal, isForeign: true);

    /// <summary>Makes the foreign context's memory the primary one's, as with a library that uses the runtime API.</summary>
    public bool InPrimaryContext { get; init; }

    /// <summary>CUstream that waits for nothing of the default stream's.</summary>
    public nint CreateStream()
    {
        using (device.Gate.EnterScope())
        {
            SoftwareContext context = Target;
            var stream = new SoftwareStream(context, 0, isBlocking: false, isForeign: true);
            context.Streams.Add(stream);
            return stream.Handle = device.Handles.Add(stream);
        }
    }

    /// <summary>CUdeviceptr of fresh memory.</summary>
    /// <param name="bytes">Its length.</param>
    /// <param name="mapped">How many of them are there, where the others are reserved only.</param>
    public nint Allocate(long bytes, long? mapped = null)
    {
        using (device.Gate.EnterScope())
        {
            Allocation allocation = device.Memory.Allocate(bytes, Target, isForeign: true);
            allocation.MappedBytes = mapped ?? bytes;
            _allocations.Add(allocation);
            return allocation.Address;
        }
    }

    /// <summary>Device memory with values in it.</summary>
    public nint Allocate<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        nint address = Allocate((long)values.Length * sizeof(T));
        Write(address, values);
        return address;
    }

    public void Free(nint address)
    {
        using (device.Gate.EnterScope())
        {
            Allocation allocation = _allocations.Single(one => one.Address == address);
            device.Memory.Release(allocation);
        }
    }

    /// <summary>Writes past all streams.</summary>
    public void Write<T>(nint address, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        using (device.Gate.EnterScope())
        {
            long bytes = (long)values.Length * sizeof(T);
            values.CopyTo(new Span<T>(device.Memory.Resolve(address, bytes, ordinal, "A test"), values.Length));
        }
    }

    /// <summary>Reads past all streams: what is there now, whatever is still queued.</summary>
    public T[] Read<T>(nint address, int count)
        where T : unmanaged
    {
        using (device.Gate.EnterScope())
        {
            return new Span<T>(device.Memory.Resolve(address, (long)count * sizeof(T), ordinal, "A test"), count).ToArray();
        }
    }

    private SoftwareContext Target => InPrimaryContext ? device.Primary(ordinal) : Own;
}
