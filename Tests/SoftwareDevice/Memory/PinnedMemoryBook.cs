namespace NativeFfn.Tests.Software;

/// <summary>Page-locked host memory.</summary>
internal sealed unsafe class PinnedMemoryBook(SoftwareDevice device)
{
    // Of devices that ended before their memory was freed; the product may still hold it, so it stays.
    private static readonly HashSet<nint> Abandoned = [];

    private readonly Dictionary<nint, Allocation> _live = [];
    private readonly HashSet<nint> _freed = [];

    public IEnumerable<Allocation> Live => _live.Values;

    public nint Allocate(long bytes, SoftwareContext context)
    {
        if (bytes <= 0)
        {
            throw new NativeFailure(CudaResult.InvalidValue, $"cuMemHostAlloc of {bytes} bytes.");
        }

        var allocation = new Allocation(bytes, null, context, context.Ordinal, isForeign: false);
        _live.Add(allocation.Address, allocation);
        _freed.Remove(allocation.Address);
        lock (Abandoned)
        {
            Abandoned.Remove(allocation.Address);
        }

        return allocation.Address;
    }

    public void Free(nint address)
    {
        if (_live.Remove(address, out Allocation? allocation))
        {
            if (!allocation.GuardsAreIntact)
            {
                device.Violate($"The guard beside {allocation} of pinned memory was overwritten.");
            }

            if (device.PendingUse(allocation) is { } use)
            {
                device.Violate($"{allocation} of pinned memory was freed before {use} ran.");
            }

            allocation.Free();
            _freed.Add(address);
            return;
        }

        lock (Abandoned)
        {
            if (Abandoned.Contains(address))
            {
                throw new NativeFailure(CudaResult.Deinitialized);
            }
        }

        throw new NativeFailure(
            CudaResult.InvalidValue,
            $"cuMemFreeHost of 0x{address:x}, {(_freed.Contains(address) ? "freed before" : "which was never allocated")}.");
    }

    public Allocation? Containing(nint address)
    {
        foreach (Allocation allocation in _live.Values)
        {
            if (address >= allocation.Address && address - allocation.Address < allocation.Bytes)
            {
                return allocation;
            }
        }

        return null;
    }

    public void Abandon()
    {
        lock (Abandoned)
        {
            Abandoned.UnionWith(_live.Keys);
        }
    }
}
