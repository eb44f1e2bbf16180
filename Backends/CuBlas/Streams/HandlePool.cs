using System.Collections.Concurrent;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Streams;

/// <summary>cuBLASLt's handles, for one slot at a time each, and kept until the engine ends.</summary>
/// <remarks>
/// <c>cublasLtDestroy</c> waits for the whole device (cuBLAS documentation), which would hold up forwards on other slots and spoil what
/// one of them is recording.
/// </remarks>
internal sealed class HandlePool(CuBlasLtLibrary library, CudaContext context) : IDisposable
{
    // No bag: that has memory of threads, which may be gone where a finalizer disposes of this.
    private readonly ConcurrentStack<CuBlasLtHandle> _idle = [];

    /// <summary>A handle that nobody else uses.</summary>
    /// <exception cref="CuBlasLtException">There is none, and cuBLASLt makes no other.</exception>
    public CuBlasLtHandle Take() => _idle.TryPop(out CuBlasLtHandle? handle) ? handle : library.CreateHandle(context);

    /// <summary>Gives a handle back.</summary>
    public void Return(CuBlasLtHandle handle) => _idle.Push(handle);

    /// <summary>Destroys them all. No slot is left.</summary>
    public void Dispose()
    {
        while (_idle.TryPop(out CuBlasLtHandle? handle))
        {
            handle.Dispose();
        }
    }
}
