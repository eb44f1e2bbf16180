using System.Runtime.InteropServices;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Streams;

/// <summary>What everything on a device stands on: its context and the compiled kernels. Layers and streams hold a reference, so that an engine disposed before them takes nothing from under them.</summary>
internal sealed class DeviceLifetime : SafeHandle
{
    // There is no one native handle; any value but 0 stands for both.
    private const nint Open = 1;

    public DeviceLifetime(CudaContext context, CuBlasLtLibrary library, DeviceKernels kernels)
        : base(0, ownsHandle: true)
    {
        Context = context;
        Kernels = kernels;
        Handles = new HandlePool(library, context);
        Completions = new DeviceCompletions(context);
        SetHandle(Open);
    }

    /// <summary>The context.</summary>
    public CudaContext Context { get; }

    /// <summary>The kernels.</summary>
    public DeviceKernels Kernels { get; }

    /// <summary>cuBLASLt's handles.</summary>
    public HandlePool Handles { get; }

    /// <summary>Tells asynchronous forwards when they are done.</summary>
    public DeviceCompletions Completions { get; }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Takes a reference, to be given back by <see cref="SafeHandle.DangerousRelease"/>.</summary>
    public DeviceLifetime Held()
    {
        bool held = false;
        DangerousAddRef(ref held);
        return this;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        Completions.Dispose();
        Handles.Dispose();
        Kernels.Dispose();
        Context.Dispose();
        return true;
    }
}
