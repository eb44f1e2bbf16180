namespace NativeFfn.Tests.Software;

/// <summary>Every allocation of device memory that was ever made, so that each access can be judged.</summary>
internal sealed unsafe class DeviceMemoryBook(SoftwareDevice device)
{
    // In the order of addresses, as they grow; what was freed stays, to be named.
    private readonly List<Allocation> _allocations = [];
    private readonly nint _first = AddressSpace.Next;
    private readonly long[] _usedBytes = new long[Math.Max(1, device.Options.DeviceCount)];

    public IEnumerable<Allocation> Live => _allocations.Where(static allocation => allocation.IsLive);

    /// <summary>The most bytes that were allocated at a time, over all devices.</summary>
    public long PeakBytes { get; private set; }

    public long UsedBytes(int ordinal) => _usedBytes[ordinal];

    public Allocation Allocate(long bytes, SoftwareContext context, bool isForeign)
    {
        if (bytes <= 0)
        {
            throw new NativeFailure(CudaResult.InvalidValue, $"cuMemAlloc of {bytes} bytes.");
        }

        if (bytes > device.Options.MemoryBytes - _usedBytes[context.Ordinal])
        {
            throw new NativeFailure(CudaResult.OutOfMemory);
        }

        var allocation = new Allocation(bytes, AddressSpace.Take(bytes), context, context.Ordinal, isForeign);
        _allocations.Add(allocation);
        _usedBytes[context.Ordinal] += bytes;
        PeakBytes = Math.Max(PeakBytes, _usedBytes.Sum());
        return allocation;
    }

    public void Free(nint address)
    {
        if (address == 0)
        {
            return;
        }

        ThrowIfFromAnEarlierDevice(address);
        Allocation? allocation = Find(address);
        if (allocation is null || allocation.Address != address)
        {
            throw new NativeFailure(CudaResult.InvalidValue, $"cuMemFree of 0x{address:x}, which was never allocated.");
        }

        if (!allocation.IsLive || allocation.IsForeign)
        {
            throw new NativeFailure(
                CudaResult.InvalidValue,
                $"cuMemFree of {allocation}, {(allocation.IsLive ? "which is not the product's" : "freed before")}.");
        }

        Release(allocation);
    }

    public void Release(Allocation allocation)
    {
        if (!allocation.GuardsAreIntact)
        {
            device.Violate($"The guard beside {allocation} of device memory was overwritten.");
        }

        allocation.Free();
        _usedBytes[allocation.Ordinal] -= allocation.Bytes;
    }

    /// <summary>The live allocation that holds an address, or null.</summary>
    public Allocation? Containing(nint address) =>
        Find(address) is { IsLive: true } found && address - found.Address < found.Bytes ? found : null;

    /// <summary>Where so many bytes really lie.</summary>
    /// <exception cref="NativeFailure">They do not lie inside one live allocation of the device.</exception>
    public byte* Resolve(nint address, long bytes, int ordinal, string what, int status = CudaResult.IllegalAddress)
    {
        Allocation? allocation = Find(address);
        long offset = allocation is null ? 0 : address - allocation.Address;
        if (allocation is null || offset >= allocation.Bytes)
        {
            throw new NativeFailure(status, $"{what} touches 0x{address:x}, which is in no allocation.");
        }

        if (!allocation.IsLive)
        {
            throw new NativeFailure(status, $"{what} touches 0x{address:x} in {allocation}, which was freed.");
        }

        if (bytes < 0 || bytes > allocation.Bytes - offset)
        {
            throw new NativeFailure(status, $"{what} touches {bytes} bytes at offset {offset} of {allocation}.");
        }

        return allocation.Ordinal == ordinal
            ? allocation.Data + offset
            : throw new NativeFailure(
                status, $"{what} touches {allocation}, which is memory of device {allocation.Ordinal}, not {ordinal}.");
    }

    /// <summary>A finalizer may still free what an earlier test's device had.</summary>
    public void ThrowIfFromAnEarlierDevice(nint address)
    {
        if (AddressSpace.Contains(address) && address < _first)
        {
            throw new NativeFailure(CudaResult.Deinitialized);
        }
    }

    private Allocation? Find(nint address)
    {
        int low = 0;
        int high = _allocations.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (_allocations[middle].Address <= address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return high < 0 ? null : _allocations[high];
    }
}
