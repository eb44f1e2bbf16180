namespace NativeFfn.Bindings.Cuda;

/// <summary>A mark in a stream's work, on which threads and other streams wait.</summary>
internal sealed unsafe class CudaEvent : CudaResource
{
    // CU_EVENT_BLOCKING_SYNC: a waiting thread sleeps.
    private const uint BlockingSync = 1;

    // CU_EVENT_DISABLE_TIMING.
    private const uint DisableTiming = 2;

    internal CudaEvent(CudaContext context, bool timing)
        : base(context, CudaKind.Event)
    {
        using CudaContext.Scope scope = context.Enter();
        nint made = 0;
        context.Check(Functions.cuEventCreate(&made, timing ? BlockingSync : BlockingSync | DisableTiming));
        Own(made);
    }

    /// <summary>Whether the work before the mark is done; true where it was never recorded.</summary>
    public bool IsDone => Context.CheckReady(Functions.cuEventQuery(Handle));

    /// <summary>Waits for the work before the mark.</summary>
    public void Synchronize() => Context.Check(Functions.cuEventSynchronize(Handle));

    /// <summary>The device's time between two marks that have happened, both made with timing; in steps of half a microsecond.</summary>
    public float MillisecondsSince(CudaEvent start)
    {
        float milliseconds = 0;
        Context.Check(Functions.cuEventElapsedTime(&milliseconds, start.Handle, Handle));
        return milliseconds;
    }

    /// <inheritdoc/>
    protected override void Free(nint made) => Context.NoteFree(Functions.cuEventDestroy_v2(made), nameof(Functions.cuEventDestroy_v2));
}
