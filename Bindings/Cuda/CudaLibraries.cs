using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Loading;
using NativeFfn.Bindings.Nvrtc;

namespace NativeFfn.Bindings.Cuda;

/// <summary>The three libraries that compute on an NVIDIA GPU: driver, cuBLASLt and compiler.</summary>
internal sealed class CudaLibraries
{
    /// <summary>Starts the driver and resolves the others.</summary>
    /// <exception cref="NativeLibraryException">One is too old or misses a function.</exception>
    /// <exception cref="CudaException">The driver does not start.</exception>
    public CudaLibraries(NativeSymbols driver, NativeSymbols cublasLt, NativeSymbols nvrtc)
        : this(CudaDriver.Start(driver), cublasLt, nvrtc)
    {
    }

    private CudaLibraries(CudaDriver driver, NativeSymbols cublasLt, NativeSymbols nvrtc)
    {
        Driver = driver;
        CuBlasLt = new CuBlasLtLibrary(cublasLt);
        Nvrtc = new NvrtcCompiler(nvrtc);
    }

    /// <summary>The driver.</summary>
    public CudaDriver Driver { get; }

    /// <summary>Products of matrices.</summary>
    public CuBlasLtLibrary CuBlasLt { get; }

    /// <summary>The compiler of the backend's own kernels.</summary>
    public NvrtcCompiler Nvrtc { get; }

    /// <summary>Finds and loads them; the driver first, so that a machine without a GPU never loads the large ones.</summary>
    /// <param name="configuredPath">
    /// A folder, or a file in one, to use and no other; null looks in the usual locations. The driver may be elsewhere.
    /// </param>
    /// <exception cref="NativeLibraryException">One is missing, too old or misses a function.</exception>
    /// <exception cref="CudaException">The driver does not start; without a GPU, <see cref="CudaException.IsNoDevice"/>.</exception>
    public static CudaLibraries Load(string? configuredPath)
    {
        CudaDriver driver = CudaDriver.Start(CudaLoader.Driver(configuredPath));
        return new CudaLibraries(driver, CudaLoader.CuBlasLt(configuredPath, driver.Major), CudaLoader.Nvrtc(configuredPath, driver.Major));
    }
}
