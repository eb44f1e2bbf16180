namespace NativeFfn.Bindings.Cuda;

/// <summary>Memory on the device.</summary>
internal sealed unsafe class DeviceMemory : CudaResource
{
    private readonly long _bytes;

    internal DeviceMemory(CudaContext context, long bytes)
        : base(context, CudaKind.DeviceMemory, bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        _bytes = bytes;
        using CudaContext.Scope scope = context.Enter();
        nint address = 0;
        context.Check(Functions.cuMemAlloc_v2(&address, (nuint)bytes));
        Own(address);
    }

    /// <summary>All of it.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public DeviceRegion Region => new(Handle, _bytes);

    /// <inheritdoc/>
    protected override void Free(nint made) => Context.NoteFree(Functions.cuMemFree_v2(made), nameof(Functions.cuMemFree_v2));
}
