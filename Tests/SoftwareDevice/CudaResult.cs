namespace NativeFfn.Tests.Software;

/// <summary>The driver's status codes that the software device answers with; values of cuda.h.</summary>
internal static class CudaResult
{
    public const int Success = 0;
    public const int InvalidValue = 1;
    public const int OutOfMemory = 2;
    public const int NotInitialized = 3;
    public const int Deinitialized = 4;
    public const int NoDevice = 100;
    public const int InvalidDevice = 101;
    public const int InvalidImage = 200;
    public const int InvalidContext = 201;
    public const int NoBinaryForGpu = 209;
    public const int InvalidHandle = 400;
    public const int IllegalState = 401;
    public const int NotFound = 500;
    public const int NotReady = 600;
    public const int IllegalAddress = 700;
    public const int LaunchOutOfResources = 701;
    public const int ContextIsDestroyed = 709;
    public const int MisalignedAddress = 716;
    public const int LaunchFailed = 719;
    public const int CaptureUnsupported = 900;
    public const int CaptureInvalidated = 901;
    public const int CaptureImplicit = 906;
    public const int CapturedEvent = 907;
    public const int CaptureWrongThread = 908;
    public const int Unknown = 999;

    /// <summary>Whether a context that met this status is lost: every later call in it answers the same.</summary>
    public static bool IsSticky(int status) =>
        status is 214 or 220 or IllegalAddress or 702 or ContextIsDestroyed or 710 or (>= 714 and <= LaunchFailed) or 721 or Unknown;

    public static string Name(int status) => status switch
    {
        Success => "CUDA_SUCCESS",
        InvalidValue => "CUDA_ERROR_INVALID_VALUE",
        OutOfMemory => "CUDA_ERROR_OUT_OF_MEMORY",
        NotInitialized => "CUDA_ERROR_NOT_INITIALIZED",
        Deinitialized => "CUDA_ERROR_DEINITIALIZED",
        NoDevice => "CUDA_ERROR_NO_DEVICE",
        InvalidDevice => "CUDA_ERROR_INVALID_DEVICE",
        InvalidImage => "CUDA_ERROR_INVALID_IMAGE",
        InvalidContext => "CUDA_ERROR_INVALID_CONTEXT",
        NoBinaryForGpu => "CUDA_ERROR_NO_BINARY_FOR_GPU",
        InvalidHandle => "CUDA_ERROR_INVALID_HANDLE",
        IllegalState => "CUDA_ERROR_ILLEGAL_STATE",
        NotFound => "CUDA_ERROR_NOT_FOUND",
        NotReady => "CUDA_ERROR_NOT_READY",
        IllegalAddress => "CUDA_ERROR_ILLEGAL_ADDRESS",
        LaunchOutOfResources => "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
        ContextIsDestroyed => "CUDA_ERROR_CONTEXT_IS_DESTROYED",
        MisalignedAddress => "CUDA_ERROR_MISALIGNED_ADDRESS",
        LaunchFailed => "CUDA_ERROR_LAUNCH_FAILED",
        CaptureUnsupported => "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
        CaptureInvalidated => "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
        CaptureImplicit => "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
        CapturedEvent => "CUDA_ERROR_CAPTURED_EVENT",
        CaptureWrongThread => "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
        Unknown => "CUDA_ERROR_UNKNOWN",
        _ => "",
    };
}
