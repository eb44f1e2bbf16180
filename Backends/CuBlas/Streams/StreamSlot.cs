using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Streams;

/// <summary>A stream for one forward at a time, with cuBLASLt's handle and workspace for it, and memory that only grows.</summary>
/// <remarks>
/// Slots share nothing, so that forwards on several of them run side by side; and a handle with a workspace of its own gives the same bits
/// every time (cuBLAS documentation, "Results Reproducibility").
/// </remarks>
internal sealed class StreamSlot : IDisposable
{
    // NVIDIA's recommendation for Hopper's cuBLAS; older devices are content with 4 MiB.
    private const long HopperWorkspaceBytes = 32 * 1024 * 1024;
    private const long WorkspaceBytes = 4 * 1024 * 1024;
    private const int HopperMajor = 9;

    private readonly DeviceAllocator _memory;
    private readonly HandlePool _handles;
    private readonly DeviceMemory _workspace;
    private DeviceMemory? _scratch;

    /// <summary>Makes a slot.</summary>
    /// <param name="device">The device.</param>
    /// <param name="memory">Gives device memory.</param>
    /// <param name="stream">The stream to work in, owned by the slot.</param>
    public StreamSlot(DeviceLifetime device, DeviceAllocator memory, CudaStream stream)
    {
        CudaContext context = device.Context;
        _memory = memory;
        _handles = device.Handles;
        Context = context;
        Kernels = device.Kernels;
        Stream = stream;
        try
        {
            Library = _handles.Take();
            Completion = new SlotCompletion(context);
            _workspace = memory.Allocate(
                context.Device.Major >= HopperMajor ? HopperWorkspaceBytes : WorkspaceBytes, "cuBLASLt's workspaces");
        }
        catch
        {
            Completion?.Dispose();
            if (Library is not null)
            {
                _handles.Return(Library);
            }

            stream.Dispose();
            throw;
        }

        Host = new PinnedRows(memory);
        Routing = new HostRouting(memory);
        Graphs = new DecodeGraphs();
    }

    /// <summary>The device.</summary>
    public CudaContext Context { get; }

    /// <summary>The kernels of the engine's format.</summary>
    public DeviceKernels Kernels { get; }

    /// <summary>Where everything is queued.</summary>
    public CudaStream Stream { get; }

    /// <summary>cuBLASLt's handle.</summary>
    public CuBlasLtHandle Library { get; }

    /// <summary>cuBLASLt's workspace.</summary>
    public DeviceRegion Workspace => _workspace.Region;

    /// <summary>Memory for hidden rows, as much as was reserved.</summary>
    public DeviceRegion Scratch => _scratch?.Region ?? default;

    /// <summary>Rows of the caller's in pinned memory, for copies that do not wait.</summary>
    public PinnedRows Host { get; }

    /// <summary>What routes a mixture's tokens.</summary>
    public HostRouting Routing { get; }

    /// <summary>The wait of an asynchronous forward.</summary>
    public SlotCompletion Completion { get; }

    /// <summary>Whole forwards of few tokens, recorded.</summary>
    public DecodeGraphs Graphs { get; }

    /// <summary>Changes whenever memory of the slot moves, so that what was recorded before no longer holds.</summary>
    public int Generation { get; private set; }

    /// <summary>Whether nothing is queued any more, and the stream still answers.</summary>
    public bool IsIdle
    {
        get
        {
            try
            {
                using CudaContext.Scope scope = Context.Enter();
                return Stream.IsDone;
            }
            catch (CudaException)
            {
                return false;
            }
        }
    }

    /// <summary>Lets the driver say whether the context has ended: cuBLASLt, which may have met it first, does not tell.</summary>
    public void Probe()
    {
        try
        {
            using CudaContext.Scope scope = Context.Enter();
            _ = Stream.IsCapturing || Stream.IsDone;
        }
        catch (CudaException)
        {
            // The context has noted what ended it.
        }
    }

    /// <summary>Fails where the stream is being captured, which forbids what comes next.</summary>
    /// <param name="what">What comes next.</param>
    /// <exception cref="CaptureException">It is.</exception>
    public void RequireNoCapture(string what)
    {
        if (Stream.IsCapturing)
        {
            throw new CaptureException(what);
        }
    }

    /// <summary>Memory of at least so many bytes, its former contents lost. Nothing of the slot's may be running when it grows.</summary>
    /// <param name="bytes">Bytes; positive.</param>
    public DeviceRegion Reserve(long bytes)
    {
        if (_scratch is null || _scratch.Region.Bytes < bytes)
        {
            // A foreign stream may still be working in the old one.
            using (Context.Enter())
            {
                RequireNoCapture("more memory for hidden rows");
                Stream.Synchronize();
            }

            Generation++;
            _scratch?.Dispose();
            _scratch = null;
            _scratch = _memory.Allocate(bytes, "The hidden rows of a forward");
        }

        return _scratch.Region;
    }

    /// <summary>Memory apart from the slot's own.</summary>
    public DeviceMemory Allocate(long bytes, string purpose) => _memory.Allocate(bytes, purpose);

    /// <summary>Pinned memory for rows of the caller's.</summary>
    /// <param name="bytes">Bytes.</param>
    public void ReserveHost(long bytes)
    {
        if (Host.Reserve(bytes))
        {
            Generation++;
        }
    }

    /// <summary>Waits for everything that was queued, so that memory it uses can be freed; what failed is told by whoever met it first.</summary>
    public void Drain() => StreamDrain.Wait(Stream);

    /// <inheritdoc/>
    public void Dispose()
    {
        Graphs.Dispose();
        Host.Dispose();
        Routing.Dispose();
        _scratch?.Dispose();
        _workspace.Dispose();
        Completion.Dispose();
        _handles.Return(Library);
        Stream.Dispose();
    }
}
