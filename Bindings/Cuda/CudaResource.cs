using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Cuda;

/// <summary>Something that lives in a context, which it keeps until it is freed.</summary>
/// <remarks>
/// Freeing never throws: its first failure is kept by the context, see <see cref="CudaContext.FreeFailure"/>. Whoever uses a resource keeps
/// it from being disposed meanwhile; one that was disposed before is refused.
/// </remarks>
internal abstract class CudaResource : SafeHandle
{
    private readonly CudaKind _kind;
    private readonly long _bytes;
    private bool _isOwned;

    /// <summary>Begins a resource; <see cref="Own"/> completes it.</summary>
    /// <param name="context">The context in which it lives.</param>
    /// <param name="kind">What <see cref="CudaUsage"/> counts it as.</param>
    /// <param name="bytes">Its bytes, if it is memory.</param>
    /// <exception cref="CudaException">Something could not be freed before.</exception>
    protected CudaResource(CudaContext context, CudaKind kind, long bytes = 0)
        : base(0, ownsHandle: true)
    {
        context.ThrowFreeFailure();
        (Context, _kind, _bytes) = (context, kind, bytes);
    }

    /// <summary>The context in which it lives.</summary>
    public CudaContext Context { get; }

    // 0 is a handle as well: the legacy default stream.

    /// <inheritdoc/>
    public override bool IsInvalid => !_isOwned;

    /// <summary>The native handle.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    /// <summary>The driver's functions.</summary>
    protected CudaFunctions Functions => Context.Driver.Functions;

    /// <summary>Takes over what was made, while the context is entered and so cannot go away.</summary>
    protected void Own(nint made)
    {
        bool held = false;
        Context.DangerousAddRef(ref held);
        SetHandle(made);
        _isOwned = true;
        CudaUsage.Take(_kind, _bytes);
    }

    /// <summary>Frees the handle, with the context entered.</summary>
    protected abstract void Free(nint made);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        try
        {
            using CudaContext.Scope scope = Context.Enter();
            Free(handle);
        }
        catch (CudaException exception)
        {
            Context.NoteFree(exception.Status, exception.Function);
        }
        finally
        {
            CudaUsage.GiveBack(_kind, _bytes);
            Context.DangerousRelease();
        }

        return true;
    }
}
