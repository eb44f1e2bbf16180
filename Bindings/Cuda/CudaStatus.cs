using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Cuda;

/// <summary>CUresult of cuda.h: the values that are told apart, and the check of every answer.</summary>
internal static unsafe class CudaStatus
{
    /// <summary>CUDA_SUCCESS.</summary>
    public const int Success = 0;

    /// <summary>CUDA_ERROR_INVALID_VALUE.</summary>
    public const int InvalidValue = 1;

    /// <summary>CUDA_ERROR_OUT_OF_MEMORY.</summary>
    public const int OutOfMemory = 2;

    /// <summary>CUDA_ERROR_DEINITIALIZED: the driver is shutting down, as at the end of a process.</summary>
    public const int Deinitialized = 4;

    /// <summary>CUDA_ERROR_STUB_LIBRARY: the file is the toolkit's stand-in for linking, not a driver.</summary>
    public const int StubLibrary = 34;

    /// <summary>CUDA_ERROR_NO_DEVICE.</summary>
    public const int NoDevice = 100;

    /// <summary>CUDA_ERROR_INVALID_DEVICE.</summary>
    public const int InvalidDevice = 101;

    /// <summary>CUDA_ERROR_ECC_UNCORRECTABLE.</summary>
    public const int EccUncorrectable = 214;

    /// <summary>CUDA_ERROR_NVLINK_UNCORRECTABLE.</summary>
    public const int NvlinkUncorrectable = 220;

    /// <summary>CUDA_ERROR_CONTAINED: the device has shut a fault in, with the context.</summary>
    public const int Contained = 226;

    /// <summary>CUDA_ERROR_NOT_FOUND: a name is not in a module.</summary>
    public const int NotFound = 500;

    /// <summary>CUDA_ERROR_NOT_READY: the work asked about is not done yet. No failure.</summary>
    public const int NotReady = 600;

    /// <summary>CUDA_ERROR_ILLEGAL_ADDRESS.</summary>
    public const int IllegalAddress = 700;

    /// <summary>CUDA_ERROR_LAUNCH_TIMEOUT.</summary>
    public const int LaunchTimeout = 702;

    /// <summary>CUDA_ERROR_CONTEXT_IS_DESTROYED.</summary>
    public const int ContextIsDestroyed = 709;

    /// <summary>CUDA_ERROR_ASSERT.</summary>
    public const int Assert = 710;

    /// <summary>
    /// CUDA_ERROR_HARDWARE_STACK_ERROR, the first of a row: illegal instruction, misaligned address, invalid address space, invalid pc.
    /// </summary>
    public const int HardwareStackError = 714;

    /// <summary>CUDA_ERROR_LAUNCH_FAILED, the last of that row.</summary>
    public const int LaunchFailed = 719;

    /// <summary>CUDA_ERROR_TENSOR_MEMORY_LEAK.</summary>
    public const int TensorMemoryLeak = 721;

    /// <summary>CUDA_ERROR_SYSTEM_NOT_READY: a service of the system, such as the fabric manager, does not run.</summary>
    public const int SystemNotReady = 802;

    /// <summary>CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: the library and the kernel's module are of different versions.</summary>
    public const int SystemDriverMismatch = 803;

    /// <summary>CUDA_ERROR_MPS_CLIENT_TERMINATED: another client of the multi-process service has taken this one down with it.</summary>
    public const int MpsClientTerminated = 810;

    /// <summary>CUDA_ERROR_UNKNOWN.</summary>
    public const int Unknown = 999;

    /// <summary>Whether an error ends its context: everything after it answers the same, and only a new process helps.</summary>
    public static bool IsSticky(int status) => status
        is Deinitialized or EccUncorrectable or NvlinkUncorrectable or Contained or IllegalAddress or LaunchTimeout or ContextIsDestroyed
        or Assert or (>= HardwareStackError and <= LaunchFailed) or TensorMemoryLeak or MpsClientTerminated or Unknown;

    /// <summary>Turns an error into an exception that names the function.</summary>
    /// <param name="functions">The driver, for its own words.</param>
    /// <param name="status">What the function answered.</param>
    /// <param name="call">The call's text; the compiler fills it in.</param>
    /// <exception cref="CudaException">The status is not <see cref="Success"/>.</exception>
    public static void Check(CudaFunctions functions, int status, [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status != Success)
        {
            throw Describe(functions, status, call);
        }
    }

    /// <summary>The exception for an error.</summary>
    public static CudaException Describe(CudaFunctions functions, int status, string call)
    {
        byte* name = null;
        byte* text = null;
        _ = functions.cuGetErrorName(status, &name);
        _ = functions.cuGetErrorString(status, &text);
        return new CudaException(NativeCall.Function(call), status, Marshal.PtrToStringUTF8((nint)name), Marshal.PtrToStringUTF8((nint)text));
    }
}
