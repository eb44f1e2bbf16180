namespace NativeFfn.Bindings.Cuda;

/// <summary>What a process can hold of CUDA.</summary>
internal enum CudaKind
{
    /// <summary>A context that was retained or adopted.</summary>
    Context,

    /// <summary>Memory on a device.</summary>
    DeviceMemory,

    /// <summary>Memory of the host that devices reach.</summary>
    PinnedMemory,

    /// <summary>Compiled kernels.</summary>
    Module,

    /// <summary>A stream, made here or adopted.</summary>
    Stream,

    /// <summary>An event.</summary>
    Event,

    /// <summary>Captured work.</summary>
    Graph,

    /// <summary>cuBLASLt in a context.</summary>
    CuBlasLtHandle,

    /// <summary>A rank of NCCL.</summary>
    NcclCommunicator,
}

/// <summary>How much of CUDA the process holds through these bindings at the moment: what is not 0 when all was disposed has leaked.</summary>
/// <remarks>
/// The one mutable static state here. It is a diagnostic, since the driver's own figure has other processes and its own reserves in it:
/// nothing reads it to decide anything. What the driver refused to free counts as given back; <see cref="CudaContext.FreeFailure"/> tells of it.
/// </remarks>
internal static class CudaUsage
{
    private static readonly long[] Counts = new long[Enum.GetValues<CudaKind>().Length];
    private static readonly long[] Bytes = new long[Counts.Length];

    /// <summary>How many of a kind are held.</summary>
    public static long CountOf(CudaKind kind) => Interlocked.Read(ref Counts[(int)kind]);

    /// <summary>Their bytes; 0 for what is no memory.</summary>
    public static long BytesOf(CudaKind kind) => Interlocked.Read(ref Bytes[(int)kind]);

    /// <summary>Notes one more.</summary>
    internal static void Take(CudaKind kind, long bytes = 0)
    {
        Interlocked.Increment(ref Counts[(int)kind]);
        Interlocked.Add(ref Bytes[(int)kind], bytes);
    }

    /// <summary>Notes one less.</summary>
    internal static void GiveBack(CudaKind kind, long bytes = 0)
    {
        Interlocked.Decrement(ref Counts[(int)kind]);
        Interlocked.Add(ref Bytes[(int)kind], -bytes);
    }
}
