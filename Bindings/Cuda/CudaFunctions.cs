using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Cuda;

/// <summary>
/// cuda.h: the driver's functions, by the names that libcuda exports, all of them there since CUDA 12.0. Raw: nothing is proven here.
/// </summary>
/// <remarks>
/// CUdevice is int, CUdeviceptr and every handle are nint, size_t is nuint and CUresult is int. CUDA 13 keeps these exports beside newer
/// versions of them, so one table serves both.
/// </remarks>
internal sealed unsafe class CudaFunctions(NativeSymbols symbols)
{
    private const string Remedy = "Install an NVIDIA driver for CUDA 12.0 or newer (525 or newer on Linux).";

    public readonly delegate* unmanaged<uint, int> cuInit = (delegate* unmanaged<uint, int>)symbols.Find(nameof(cuInit), Remedy);
    public readonly delegate* unmanaged<int*, int> cuDriverGetVersion =
        (delegate* unmanaged<int*, int>)symbols.Find(nameof(cuDriverGetVersion), Remedy);
    public readonly delegate* unmanaged<int, byte**, int> cuGetErrorName =
        (delegate* unmanaged<int, byte**, int>)symbols.Find(nameof(cuGetErrorName), Remedy);
    public readonly delegate* unmanaged<int, byte**, int> cuGetErrorString =
        (delegate* unmanaged<int, byte**, int>)symbols.Find(nameof(cuGetErrorString), Remedy);

    // Devices.
    public readonly delegate* unmanaged<int*, int> cuDeviceGetCount =
        (delegate* unmanaged<int*, int>)symbols.Find(nameof(cuDeviceGetCount), Remedy);
    public readonly delegate* unmanaged<int*, int, int> cuDeviceGet =
        (delegate* unmanaged<int*, int, int>)symbols.Find(nameof(cuDeviceGet), Remedy);
    public readonly delegate* unmanaged<byte*, int, int, int> cuDeviceGetName =
        (delegate* unmanaged<byte*, int, int, int>)symbols.Find(nameof(cuDeviceGetName), Remedy);
    public readonly delegate* unmanaged<int*, int, int, int> cuDeviceGetAttribute =
        (delegate* unmanaged<int*, int, int, int>)symbols.Find(nameof(cuDeviceGetAttribute), Remedy);
    public readonly delegate* unmanaged<nuint*, int, int> cuDeviceTotalMem_v2 =
        (delegate* unmanaged<nuint*, int, int>)symbols.Find(nameof(cuDeviceTotalMem_v2), Remedy);
    public readonly delegate* unmanaged<Guid*, int, int> cuDeviceGetUuid_v2 =
        (delegate* unmanaged<Guid*, int, int>)symbols.Find(nameof(cuDeviceGetUuid_v2), Remedy);

    // Contexts.
    public readonly delegate* unmanaged<nint*, int, int> cuDevicePrimaryCtxRetain =
        (delegate* unmanaged<nint*, int, int>)symbols.Find(nameof(cuDevicePrimaryCtxRetain), Remedy);
    public readonly delegate* unmanaged<int, int> cuDevicePrimaryCtxRelease_v2 =
        (delegate* unmanaged<int, int>)symbols.Find(nameof(cuDevicePrimaryCtxRelease_v2), Remedy);
    public readonly delegate* unmanaged<nint, int> cuCtxPushCurrent_v2 =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuCtxPushCurrent_v2), Remedy);
    public readonly delegate* unmanaged<nint*, int> cuCtxPopCurrent_v2 =
        (delegate* unmanaged<nint*, int>)symbols.Find(nameof(cuCtxPopCurrent_v2), Remedy);
    public readonly delegate* unmanaged<int*, int> cuCtxGetDevice =
        (delegate* unmanaged<int*, int>)symbols.Find(nameof(cuCtxGetDevice), Remedy);
    public readonly delegate* unmanaged<int> cuCtxSynchronize = (delegate* unmanaged<int>)symbols.Find(nameof(cuCtxSynchronize), Remedy);

    // Memory.
    public readonly delegate* unmanaged<nuint*, nuint*, int> cuMemGetInfo_v2 =
        (delegate* unmanaged<nuint*, nuint*, int>)symbols.Find(nameof(cuMemGetInfo_v2), Remedy);
    public readonly delegate* unmanaged<nint*, nuint, int> cuMemAlloc_v2 =
        (delegate* unmanaged<nint*, nuint, int>)symbols.Find(nameof(cuMemAlloc_v2), Remedy);
    public readonly delegate* unmanaged<nint, int> cuMemFree_v2 =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuMemFree_v2), Remedy);
    public readonly delegate* unmanaged<void**, nuint, uint, int> cuMemHostAlloc =
        (delegate* unmanaged<void**, nuint, uint, int>)symbols.Find(nameof(cuMemHostAlloc), Remedy);
    public readonly delegate* unmanaged<void*, int> cuMemFreeHost =
        (delegate* unmanaged<void*, int>)symbols.Find(nameof(cuMemFreeHost), Remedy);
    public readonly delegate* unmanaged<nint, void*, nuint, nint, int> cuMemcpyHtoDAsync_v2 =
        (delegate* unmanaged<nint, void*, nuint, nint, int>)symbols.Find(nameof(cuMemcpyHtoDAsync_v2), Remedy);
    public readonly delegate* unmanaged<void*, nint, nuint, nint, int> cuMemcpyDtoHAsync_v2 =
        (delegate* unmanaged<void*, nint, nuint, nint, int>)symbols.Find(nameof(cuMemcpyDtoHAsync_v2), Remedy);
    public readonly delegate* unmanaged<nint, nint, nuint, nint, int> cuMemcpyDtoDAsync_v2 =
        (delegate* unmanaged<nint, nint, nuint, nint, int>)symbols.Find(nameof(cuMemcpyDtoDAsync_v2), Remedy);
    public readonly delegate* unmanaged<nint, byte, nuint, nint, int> cuMemsetD8Async =
        (delegate* unmanaged<nint, byte, nuint, nint, int>)symbols.Find(nameof(cuMemsetD8Async), Remedy);
    public readonly delegate* unmanaged<void*, int, nint, int> cuPointerGetAttribute =
        (delegate* unmanaged<void*, int, nint, int>)symbols.Find(nameof(cuPointerGetAttribute), Remedy);

    // Streams and events.
    public readonly delegate* unmanaged<nint*, uint, int> cuStreamCreate =
        (delegate* unmanaged<nint*, uint, int>)symbols.Find(nameof(cuStreamCreate), Remedy);
    public readonly delegate* unmanaged<nint, int> cuStreamDestroy_v2 =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuStreamDestroy_v2), Remedy);
    public readonly delegate* unmanaged<nint, int> cuStreamSynchronize =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuStreamSynchronize), Remedy);
    public readonly delegate* unmanaged<nint, int> cuStreamQuery =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuStreamQuery), Remedy);
    public readonly delegate* unmanaged<nint, nint*, int> cuStreamGetCtx =
        (delegate* unmanaged<nint, nint*, int>)symbols.Find(nameof(cuStreamGetCtx), Remedy);
    public readonly delegate* unmanaged<nint, int*, int> cuStreamIsCapturing =
        (delegate* unmanaged<nint, int*, int>)symbols.Find(nameof(cuStreamIsCapturing), Remedy);
    public readonly delegate* unmanaged<nint*, uint, int> cuEventCreate =
        (delegate* unmanaged<nint*, uint, int>)symbols.Find(nameof(cuEventCreate), Remedy);
    public readonly delegate* unmanaged<nint, int> cuEventDestroy_v2 =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuEventDestroy_v2), Remedy);
    public readonly delegate* unmanaged<nint, nint, int> cuEventRecord =
        (delegate* unmanaged<nint, nint, int>)symbols.Find(nameof(cuEventRecord), Remedy);
    public readonly delegate* unmanaged<nint, int> cuEventQuery =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuEventQuery), Remedy);
    public readonly delegate* unmanaged<nint, int> cuEventSynchronize =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuEventSynchronize), Remedy);
    public readonly delegate* unmanaged<float*, nint, nint, int> cuEventElapsedTime =
        (delegate* unmanaged<float*, nint, nint, int>)symbols.Find(nameof(cuEventElapsedTime), Remedy);

    // Kernels.
    public readonly delegate* unmanaged<nint*, void*, int> cuModuleLoadData =
        (delegate* unmanaged<nint*, void*, int>)symbols.Find(nameof(cuModuleLoadData), Remedy);
    public readonly delegate* unmanaged<nint, int> cuModuleUnload =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuModuleUnload), Remedy);
    public readonly delegate* unmanaged<nint*, nint, byte*, int> cuModuleGetFunction =
        (delegate* unmanaged<nint*, nint, byte*, int>)symbols.Find(nameof(cuModuleGetFunction), Remedy);
    public readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int> cuLaunchKernel =
        (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)symbols.Find(nameof(cuLaunchKernel), Remedy);

    // Graphs.
    public readonly delegate* unmanaged<nint, int, int> cuStreamBeginCapture_v2 =
        (delegate* unmanaged<nint, int, int>)symbols.Find(nameof(cuStreamBeginCapture_v2), Remedy);
    public readonly delegate* unmanaged<nint, nint*, int> cuStreamEndCapture =
        (delegate* unmanaged<nint, nint*, int>)symbols.Find(nameof(cuStreamEndCapture), Remedy);
    public readonly delegate* unmanaged<nint*, nint, ulong, int> cuGraphInstantiateWithFlags =
        (delegate* unmanaged<nint*, nint, ulong, int>)symbols.Find(nameof(cuGraphInstantiateWithFlags), Remedy);
    public readonly delegate* unmanaged<nint, nint, int> cuGraphLaunch =
        (delegate* unmanaged<nint, nint, int>)symbols.Find(nameof(cuGraphLaunch), Remedy);
    public readonly delegate* unmanaged<nint, int> cuGraphExecDestroy =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuGraphExecDestroy), Remedy);
    public readonly delegate* unmanaged<nint, int> cuGraphDestroy =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(cuGraphDestroy), Remedy);
}
