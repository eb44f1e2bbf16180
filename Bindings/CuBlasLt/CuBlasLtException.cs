namespace NativeFfn.Bindings.CuBlasLt;

/// <summary>A function of cuBLASLt failed.</summary>
/// <param name="function">The C function that answered.</param>
/// <param name="status">cublasStatus_t.</param>
/// <param name="name">The library's name of the status.</param>
/// <param name="text">The library's words for it.</param>
internal sealed class CuBlasLtException(string function, int status, string name, string text)
    : Exception($"{function} failed: {name} ({status}): {text}.")
{
    /// <summary>The C function that answered.</summary>
    public string Function { get; } = function;

    /// <summary>cublasStatus_t, as in <see cref="CuBlasLtStatus"/>.</summary>
    public int Status { get; } = status;

    /// <summary>Whether memory ran out; after some is freed, the call may be tried again.</summary>
    public bool IsOutOfMemory => Status == CuBlasLtStatus.AllocFailed;
}
