namespace NativeFfn.Bindings.CuBlasLt;

/// <summary>cublasStatus_t of cublas_api.h: the values that are told apart.</summary>
internal static class CuBlasLtStatus
{
    /// <summary>CUBLAS_STATUS_SUCCESS.</summary>
    public const int Success = 0;

    /// <summary>CUBLAS_STATUS_NOT_INITIALIZED: without a usable GPU or context, among others.</summary>
    public const int NotInitialized = 1;

    /// <summary>CUBLAS_STATUS_ALLOC_FAILED.</summary>
    public const int AllocFailed = 3;

    /// <summary>CUBLAS_STATUS_NOT_SUPPORTED: no algorithm for this product.</summary>
    public const int NotSupported = 15;
}
