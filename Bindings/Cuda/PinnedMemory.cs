namespace NativeFfn.Bindings.Cuda;

/// <summary>Memory of the host that the device copies from and to by itself.</summary>
internal sealed unsafe class PinnedMemory : CudaResource
{
    // CU_MEMHOSTALLOC_PORTABLE: pinned for every context of the process.
    private const uint Portable = 1;

    internal PinnedMemory(CudaContext context, long bytes)
        : base(context, CudaKind.PinnedMemory, bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        Bytes = bytes;
        using CudaContext.Scope scope = context.Enter();
        void* pointer = null;
        context.Check(Functions.cuMemHostAlloc(&pointer, (nuint)bytes, Portable));
        Own((nint)pointer);
    }

    /// <summary>Its length.</summary>
    public long Bytes { get; }

    /// <summary>Its first byte.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public byte* Pointer => (byte*)Handle;

    /// <inheritdoc/>
    protected override void Free(nint made) => Context.NoteFree(Functions.cuMemFreeHost((void*)made), nameof(Functions.cuMemFreeHost));
}
