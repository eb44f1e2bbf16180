using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Cuda;

/// <summary>A device's context: the primary one, which the whole process shares, or one of the application's own.</summary>
/// <remarks>
/// Creating and freeing enter the context by themselves. What is done on a stream needs it entered by the caller, once for many calls.
/// Disposal waits for what was made here: each such resource keeps its context. Safe for use by several threads at once.
/// </remarks>
internal sealed unsafe class CudaContext : SafeHandle
{
    private readonly bool _isPrimary;
    private CudaException? _loss;
    private CudaException? _freeFailure;

    private CudaContext(CudaDriver driver, CudaDevice device, nint context, bool isPrimary)
        : base(0, ownsHandle: true)
    {
        (Driver, Device, _isPrimary) = (driver, device, isPrimary);
        SetHandle(context);
        CudaUsage.Take(CudaKind.Context);
    }

    /// <summary>The driver.</summary>
    public CudaDriver Driver { get; }

    /// <summary>The context's device.</summary>
    public CudaDevice Device { get; }

    /// <summary>Whether an error has ended the context: nothing works in it any more.</summary>
    public bool IsLost => Loss is not null;

    /// <summary>The first error that ended the context, whoever met it; null while it lives.</summary>
    public CudaException? Loss => Volatile.Read(ref _loss);

    /// <summary>The first error met while freeing, which nobody could be told then. Creating anything throws it, once.</summary>
    public CudaException? FreeFailure => _freeFailure;

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>CUcontext.</summary>
    public nint Handle
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    /// <summary>
    /// Retains the device's primary context, the one that CUDA's runtime and so most libraries use, and releases it when disposed.
    /// </summary>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public static CudaContext RetainPrimary(CudaDriver driver, CudaDevice device)
    {
        nint context = 0;
        CudaStatus.Check(driver.Functions, driver.Functions.cuDevicePrimaryCtxRetain(&context, device.Handle));
        return new CudaContext(driver, device, context, isPrimary: true);
    }

    /// <summary>Uses a context of the application's, which must outlive this and is never released here.</summary>
    /// <param name="driver">The driver.</param>
    /// <param name="context">CUcontext.</param>
    /// <exception cref="ArgumentException"><paramref name="context"/> is 0.</exception>
    /// <exception cref="CudaException">It is no context.</exception>
    public static CudaContext Adopt(CudaDriver driver, nint context)
    {
        ArgumentOutOfRangeException.ThrowIfZero(context);
        CudaFunctions functions = driver.Functions;
        CudaStatus.Check(functions, functions.cuCtxPushCurrent_v2(context));
        int device = 0;
        int status = functions.cuCtxGetDevice(&device);
        nint popped;
        CudaStatus.Check(functions, functions.cuCtxPopCurrent_v2(&popped));
        CudaStatus.Check(functions, status, nameof(functions.cuCtxGetDevice));
        for (int ordinal = 0; ordinal < driver.DeviceCount; ordinal++)
        {
            CudaDevice candidate = driver.Device(ordinal);
            if (candidate.Handle == device)
            {
                return new CudaContext(driver, candidate, context, isPrimary: false);
            }
        }

        throw CudaStatus.Describe(functions, CudaStatus.InvalidDevice, nameof(functions.cuCtxGetDevice));
    }

    /// <summary>Makes the context this thread's current one until the scope ends, and keeps it from being freed so long.</summary>
    /// <exception cref="ObjectDisposedException">The context was disposed.</exception>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public Scope Enter() => new(this);

    /// <summary>Bytes of the device's memory that are free, for all processes, and bytes in all.</summary>
    public (long Free, long Total) MemoryInfo()
    {
        using Scope scope = Enter();
        nuint free = 0;
        nuint total = 0;
        Check(Driver.Functions.cuMemGetInfo_v2(&free, &total));
        return (checked((long)free), checked((long)total));
    }

    /// <summary>Waits for everything in the context, other users' work included.</summary>
    public void Synchronize()
    {
        using Scope scope = Enter();
        Check(Driver.Functions.cuCtxSynchronize());
    }

    /// <summary>Takes device memory, aligned to 256 bytes or more and not cleared.</summary>
    /// <param name="bytes">Positive.</param>
    public DeviceMemory Allocate(long bytes) => new(this, bytes);

    /// <summary>Takes memory of the host that the device reaches by itself, in every context of the process; not cleared.</summary>
    /// <param name="bytes">Positive.</param>
    public PinnedMemory AllocatePinned(long bytes) => new(this, bytes);

    /// <summary>Makes a stream that does not wait for the legacy default stream.</summary>
    public CudaStream CreateStream() => new(this);

    /// <summary>Uses a stream of the application's, which must outlive this and is never destroyed here.</summary>
    /// <param name="stream">CUstream of this context; 0 and 1 are the legacy default stream.</param>
    /// <exception cref="ArgumentException">It is another context's, or 2: the default stream of whatever thread uses it.</exception>
    public CudaStream AdoptStream(nint stream) => new(this, stream);

    /// <summary>Makes an event on which a thread waits without spinning.</summary>
    /// <param name="timing">Whether time can be taken between two of them, which makes each a little slower.</param>
    public CudaEvent CreateEvent(bool timing) => new(this, timing);

    /// <summary>Loads compiled kernels.</summary>
    /// <param name="image">A cubin or PTX that is known to be whole: the driver reads it by what it says of itself.</param>
    public CudaModule LoadModule(ReadOnlySpan<byte> image) => new(this, image);

    /// <summary>Proves that memory which another owner made is memory of this device and one allocation.</summary>
    /// <param name="address">CUdeviceptr.</param>
    /// <param name="bytes">Positive.</param>
    /// <exception cref="ArgumentException">It is not.</exception>
    public DeviceRegion Region(nint address, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        using Scope scope = Enter();
        int type = 0;
        int ordinal = 0;
        nint start = 0;
        nuint size = 0;
        Read(address, CudaPointerAttribute.MemoryType, &type);
        if (type != CudaPointerAttribute.MemoryTypeDevice)
        {
            throw new ArgumentException($"0x{address:x} is memory of the host, not of the device.", nameof(address));
        }

        Read(address, CudaPointerAttribute.DeviceOrdinal, &ordinal);
        if (ordinal != Device.Ordinal)
        {
            throw new ArgumentException($"0x{address:x} is memory of device {ordinal}; device {Device.Ordinal} computes.", nameof(address));
        }

        Read(address, CudaPointerAttribute.RangeStart, &start);
        Read(address, CudaPointerAttribute.RangeSize, &size);
        long offset = address - start;
        if (offset < 0 || (nuint)offset > size || (nuint)bytes > size - (nuint)offset)
        {
            throw new ArgumentException(
                $"0x{address:x} has not {bytes} bytes: its allocation is 0x{start:x} with {size} bytes.", nameof(bytes));
        }

        // Of reserved addresses, as an application's own allocator may have them, the ends say whether there is memory.
        RequireMapped(address);
        RequireMapped(address + (nint)(bytes - 1));
        return new DeviceRegion(address, bytes);
    }

    /// <summary>Turns an error into an exception, and remembers one that ends the context.</summary>
    internal void Check(int status, [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status != CudaStatus.Success)
        {
            throw Note(status, call);
        }
    }

    /// <summary>Whether work that was asked about is done; an error becomes an exception.</summary>
    internal bool CheckReady(int status, [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status == CudaStatus.NotReady)
        {
            return false;
        }

        Check(status, call);
        return true;
    }

    /// <summary>Remembers the first error of freeing; those of a lost context only repeat what ended it.</summary>
    internal void NoteFree(int status, string call)
    {
        if (status != CudaStatus.Success && !IsLost)
        {
            _ = Interlocked.CompareExchange(ref _freeFailure, Note(status, call), null);
        }
    }

    /// <summary>Throws what freeing met before, once.</summary>
    internal void ThrowFreeFailure()
    {
        if (_freeFailure is not null && Interlocked.Exchange(ref _freeFailure, null) is { } failure)
        {
            throw failure;
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        CudaUsage.GiveBack(CudaKind.Context);
        return !_isPrimary || Driver.Functions.cuDevicePrimaryCtxRelease_v2(Device.Handle) == CudaStatus.Success || IsLost;
    }

    private CudaException Note(int status, string call)
    {
        CudaException failure = CudaStatus.Describe(Driver.Functions, status, call);
        if (failure.IsSticky)
        {
            _ = Interlocked.CompareExchange(ref _loss, failure, null);
        }

        return failure;
    }

    private void RequireMapped(nint address)
    {
        int mapped = 0;
        Read(address, CudaPointerAttribute.Mapped, &mapped);
        if (mapped == 0)
        {
            throw new ArgumentException($"0x{address:x} is reserved, and has no memory.", nameof(address));
        }
    }

    private void Read(nint address, int attribute, void* value)
    {
        int status = Driver.Functions.cuPointerGetAttribute(value, attribute, address);
        if (status == CudaStatus.InvalidValue)
        {
            throw new ArgumentException($"0x{address:x} is no memory that CUDA knows.", nameof(address));
        }

        Check(status, nameof(CudaFunctions.cuPointerGetAttribute));
    }

    /// <summary>The context as a thread's current one.</summary>
    internal readonly ref struct Scope
    {
        private readonly CudaContext _context;

        internal Scope(CudaContext context)
        {
            bool held = false;
            context.DangerousAddRef(ref held);
            int status = context.Driver.Functions.cuCtxPushCurrent_v2(context.handle);
            if (status != CudaStatus.Success)
            {
                context.DangerousRelease();
                context.Check(status, nameof(CudaFunctions.cuCtxPushCurrent_v2));
            }

            _context = context;
        }

        /// <summary>Restores what was current before.</summary>
        public void Dispose()
        {
            nint popped;
            _context.NoteFree(_context.Driver.Functions.cuCtxPopCurrent_v2(&popped), nameof(CudaFunctions.cuCtxPopCurrent_v2));
            _context.DangerousRelease();
        }
    }
}
