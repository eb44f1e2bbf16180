namespace NativeFfn.Bindings.Cuda;

/// <summary>A queue of work for the device. Its context is entered by the caller; one thread at a time uses it.</summary>
/// <remarks>
/// Nothing waits unless it says so, and nothing is allocated. Memory named here must stay until the work is done; memory of the host is
/// pinned, else the driver copies it aside first.
/// </remarks>
internal sealed unsafe class CudaStream : CudaResource
{
    // CU_STREAM_NON_BLOCKING: no implicit order with the legacy default stream.
    private const uint NonBlocking = 1;

    // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do meanwhile does not spoil a capture.
    private const int CaptureThreadLocal = 1;

    // CU_STREAM_LEGACY and CU_STREAM_PER_THREAD, which stand for streams and are none.
    private const nint Legacy = 1;
    private const nint PerThread = 2;

    private readonly bool _isAdopted;

    internal CudaStream(CudaContext context)
        : base(context, CudaKind.Stream)
    {
        using CudaContext.Scope scope = context.Enter();
        nint stream = 0;
        context.Check(Functions.cuStreamCreate(&stream, NonBlocking));
        Own(stream);
    }

    internal CudaStream(CudaContext context, nint stream)
        : base(context, CudaKind.Stream)
    {
        _isAdopted = true;
        using CudaContext.Scope scope = context.Enter();
        ProveContext(context, stream);
        Own(stream);
    }

    /// <summary>Whether all work so far is done.</summary>
    public bool IsDone => Context.CheckReady(Functions.cuStreamQuery(Handle));

    /// <summary>Whether work is being captured, by whomever.</summary>
    public bool IsCapturing
    {
        get
        {
            int status = 0;
            Context.Check(Functions.cuStreamIsCapturing(Handle, &status));
            return status != 0;
        }
    }

    /// <summary>Copies as many bytes as the destination has.</summary>
    public void CopyToDevice(void* source, DeviceRegion destination)
    {
        if (destination.Bytes > 0)
        {
            ArgumentNullException.ThrowIfNull(source);
            Context.Check(Functions.cuMemcpyHtoDAsync_v2(destination.Address, source, (nuint)destination.Bytes, Handle));
        }
    }

    /// <summary>Copies as many bytes as the source has.</summary>
    public void CopyToHost(DeviceRegion source, void* destination)
    {
        if (source.Bytes > 0)
        {
            ArgumentNullException.ThrowIfNull(destination);
            Context.Check(Functions.cuMemcpyDtoHAsync_v2(destination, source.Address, (nuint)source.Bytes, Handle));
        }
    }

    /// <summary>Copies between regions of one length that share no byte.</summary>
    public void CopyOnDevice(DeviceRegion source, DeviceRegion destination)
    {
        if (source.Bytes != destination.Bytes || source.Overlaps(destination))
        {
            throw new ArgumentException(
                $"{source.Bytes} bytes were to be copied to {destination.Bytes}, or the two overlap.", nameof(destination));
        }

        if (source.Bytes > 0)
        {
            Context.Check(Functions.cuMemcpyDtoDAsync_v2(destination.Address, source.Address, (nuint)source.Bytes, Handle));
        }
    }

    /// <summary>Sets every byte.</summary>
    public void Fill(DeviceRegion destination, byte value)
    {
        if (destination.Bytes > 0)
        {
            Context.Check(Functions.cuMemsetD8Async(destination.Address, value, (nuint)destination.Bytes, Handle));
        }
    }

    /// <summary>Runs a kernel that has one parameter, a structure by value.</summary>
    /// <param name="kernel">A kernel of this context.</param>
    /// <param name="shape">How many threads.</param>
    /// <param name="argument">The structure, which is read before this returns and is as large as the kernel's.</param>
    /// <exception cref="ArgumentException">The device cannot run that many threads, or the kernel is another context's.</exception>
    public void Launch(CudaKernel kernel, LaunchShape shape, void* argument)
    {
        CudaDevice device = Context.Device;
        ArgumentNullException.ThrowIfNull(argument);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape.GridX, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape.GridY, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(shape.BlockX, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfNegative(shape.SharedBytes, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shape.GridX, device.MaxGridX, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shape.GridY, device.MaxGridY, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shape.BlockX, device.MaxBlockThreads, nameof(shape));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shape.SharedBytes, device.MaxSharedBytes, nameof(shape));
        RequireSameContext(kernel.Module);
        void* parameters = argument;
        Context.Check(Functions.cuLaunchKernel(
            kernel.Function, (uint)shape.GridX, (uint)shape.GridY, 1, (uint)shape.BlockX, 1, 1, (uint)shape.SharedBytes, Handle,
            &parameters, null));
    }

    /// <summary>Runs captured work.</summary>
    public void Launch(CudaGraph graph)
    {
        RequireSameContext(graph);
        Context.Check(Functions.cuGraphLaunch(graph.Handle, Handle));
    }

    /// <summary>Lets the event happen when all work so far is done.</summary>
    public void Record(CudaEvent recorded)
    {
        RequireSameContext(recorded);
        Context.Check(Functions.cuEventRecord(recorded.Handle, Handle));
    }

    /// <summary>Waits here for all work so far.</summary>
    public void Synchronize() => Context.Check(Functions.cuStreamSynchronize(Handle));

    /// <summary>
    /// Lets work after this be kept instead of run, until <see cref="EndCapture"/> or <see cref="AbandonCapture"/> on this thread.
    /// </summary>
    /// <remarks>
    /// The legacy default stream cannot be captured. Handles, heuristics and shapes are met before, not for the first time here.
    /// </remarks>
    public void BeginCapture() => Context.Check(Functions.cuStreamBeginCapture_v2(Handle, CaptureThreadLocal));

    /// <summary>Makes what was captured ready to launch.</summary>
    /// <exception cref="CudaException">The capture was spoilt, or the device cannot hold it; the stream is usable as before.</exception>
    public CudaGraph EndCapture()
    {
        nint graph = 0;
        Context.Check(Functions.cuStreamEndCapture(Handle, &graph));
        try
        {
            return new CudaGraph(Context, graph);
        }
        finally
        {
            Context.NoteFree(Functions.cuGraphDestroy(graph), nameof(Functions.cuGraphDestroy));
        }
    }

    /// <summary>
    /// Ends a capture, spoilt or not, and forgets what it has. Does nothing where none runs, and hides no error that led here.
    /// </summary>
    public void AbandonCapture()
    {
        nint graph = 0;
        int capturing = 0;
        if (Functions.cuStreamIsCapturing(Handle, &capturing) == CudaStatus.Success && capturing != 0)
        {
            // A spoilt capture answers an error and has no graph.
            _ = Functions.cuStreamEndCapture(Handle, &graph);
        }

        if (graph != 0)
        {
            Context.NoteFree(Functions.cuGraphDestroy(graph), nameof(Functions.cuGraphDestroy));
        }
    }

    /// <inheritdoc/>
    protected override void Free(nint made)
    {
        if (!_isAdopted)
        {
            Context.NoteFree(Functions.cuStreamDestroy_v2(made), nameof(Functions.cuStreamDestroy_v2));
        }
    }

    private static void ProveContext(CudaContext context, nint stream)
    {
        if (stream is 0 or Legacy)
        {
            return;
        }

        ArgumentOutOfRangeException.ThrowIfEqual(stream, PerThread);
        nint owner = 0;
        context.Check(context.Driver.Functions.cuStreamGetCtx(stream, &owner));
        if (owner != context.Handle)
        {
            throw new ArgumentException($"Stream 0x{stream:x} is of context 0x{owner:x}; 0x{context.Handle:x} computes.", nameof(stream));
        }
    }

    private void RequireSameContext(CudaResource resource)
    {
        if (resource.Context != Context)
        {
            throw new ArgumentException($"A {resource.GetType().Name} of another context was given to a stream.", nameof(resource));
        }
    }
}
