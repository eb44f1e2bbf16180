namespace NativeFfn.Bindings.Cuda;

/// <summary>
/// A CUDA driver function failed, or work before it did: the driver reports failures of the device late, by whatever is called next.
/// </summary>
internal sealed class CudaException : Exception
{
    /// <summary>Reports a failure.</summary>
    /// <param name="function">The C function that answered.</param>
    /// <param name="status">CUresult.</param>
    /// <param name="name">The driver's name of the status; null where it has none.</param>
    /// <param name="text">The driver's words for it; null where it has none.</param>
    public CudaException(string function, int status, string? name, string? text)
        : base(Compose(function, status, name, text))
    {
        (Function, Status) = (function, status);
    }

    /// <summary>The C function that answered.</summary>
    public string Function { get; }

    /// <summary>CUresult, as in <see cref="CudaStatus"/>.</summary>
    public int Status { get; }

    /// <summary>Whether memory ran out; after some is freed, the call may be tried again.</summary>
    public bool IsOutOfMemory => Status == CudaStatus.OutOfMemory;

    /// <summary>Whether there is no GPU that this process may use.</summary>
    public bool IsNoDevice => Status == CudaStatus.NoDevice;

    /// <summary>Whether the context is gone: everything after this answers the same, until the process starts anew.</summary>
    public bool IsSticky => CudaStatus.IsSticky(Status);

    private static string Compose(string function, int status, string? name, string? text)
    {
        string message = $"{function} failed: {name ?? "unknown status"} ({status}){(text is null ? string.Empty : $": {text}")}.";
        return Remedy(status) is { } remedy ? $"{message} {remedy}" : message;
    }

    private static string? Remedy(int status) => status switch
    {
        CudaStatus.OutOfMemory => "The GPU's memory is full; run fewer tokens at a time, smaller weights, or fewer processes on this GPU.",
        CudaStatus.StubLibrary =>
            "This libcuda is the toolkit's stand-in for linking; install the NVIDIA driver, or take the stub out of the search path.",
        CudaStatus.NoDevice =>
            "This process sees no NVIDIA GPU. Check nvidia-smi and CUDA_VISIBLE_DEVICES; a container needs the NVIDIA runtime "
            + "(docker run --gpus all).",
        CudaStatus.SystemNotReady => "Start the services of the system; servers whose GPUs are joined by NVSwitch need the fabric manager.",
        CudaStatus.SystemDriverMismatch =>
            "The driver's library and its kernel module differ in version; restart the machine after an update of the driver.",
        _ when CudaStatus.IsSticky(status) => "The GPU's context is lost; start the process anew.",
        _ => null,
    };
}
