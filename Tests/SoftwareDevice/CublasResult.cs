namespace NativeFfn.Tests.Software;

/// <summary>cublasStatus_t.</summary>
internal static class CublasResult
{
    public const int Success = 0;
    public const int NotInitialized = 1;
    public const int AllocFailed = 3;
    public const int InvalidValue = 7;
    public const int ExecutionFailed = 13;
    public const int InternalError = 14;
    public const int NotSupported = 15;
}

/// <summary>nvrtcResult.</summary>
internal static class NvrtcResult
{
    public const int Success = 0;
    public const int InvalidInput = 3;
    public const int InvalidProgram = 4;
    public const int InvalidOption = 5;
    public const int Compilation = 6;
    public const int InternalError = 11;
}

/// <summary>ncclResult_t.</summary>
internal static class NcclResult
{
    public const int Success = 0;
    public const int UnhandledCudaError = 1;
    public const int InternalError = 3;
    public const int InvalidArgument = 4;
    public const int InvalidUsage = 5;
    public const int RemoteError = 6;
    public const int InProgress = 7;
}
