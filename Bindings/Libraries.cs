namespace NativeFfn.Bindings;

/// <summary>Every native library and the files it may go by. Library names stand here and nowhere else.</summary>
internal static class Libraries
{
    /// <summary>The C library, for the dynamic linker's functions.</summary>
    public const string C = "libc";

    /// <summary>Windows's own functions for memory.</summary>
    public const string Kernel32 = "kernel32";

    /// <summary>Where glibc before 2.34 keeps the dynamic linker's functions.</summary>
    public const string DynamicLinking = "libdl.so.2";

    /// <summary>
    /// Files that MKL's single library, which brings in the layers chosen at run time, may go by; newest interface first. Windows and macOS are
    /// listed but untested.
    /// </summary>
    public static string[] MklRtFiles { get; } =
        OperatingSystem.IsWindows() ? ["mkl_rt.3.dll", "mkl_rt.2.dll", "mkl_rt.1.dll", "mkl_rt.dll"]
        : OperatingSystem.IsMacOS() ? ["libmkl_rt.2.dylib", "libmkl_rt.1.dylib", "libmkl_rt.dylib"]
        : ["libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so.1", "libmkl_rt.so"];

    /// <summary>
    /// The layers that must lie beside MKL's single library, in loading order: MKL ends the process when it misses one. The last is the
    /// kernel library for any processor, which MKL falls back to when it has none for this one.
    /// </summary>
    public static string[] MklLayers { get; } =
        OperatingSystem.IsWindows() ? ["mkl_core", "mkl_sequential", "mkl_def"]
        : ["libmkl_core", "libmkl_sequential", "libmkl_intel_lp64", "libmkl_def"];

    /// <summary>Files of CBLAS libraries with threads of their own, OpenBLAS before BLIS. Windows and macOS are listed but untested.</summary>
    public static string[] CblasFiles { get; } =
        OperatingSystem.IsWindows() ? ["libopenblas.dll", "AOCL-LibBlis-Win-MT-dll.dll"]
        : OperatingSystem.IsMacOS()
            ? ["libopenblas.0.dylib", "libblis.4.dylib", "/System/Library/Frameworks/Accelerate.framework/Accelerate"]
        : ["libopenblas.so.0", "libblis.so.4", "libblis-mt.so.4"];

    /// <summary>What OpenBLAS may need beside it, in the order of loading.</summary>
    public static string[] FortranRuntime { get; } = ["libquadmath.so.0", "libgfortran.so.5"];

    /// <summary>Files of the CUDA driver's library. Windows is listed but untested, here and below.</summary>
    public static string[] CudaDriverFiles { get; } = OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1"];

    /// <summary>Files that cuBLASLt may go by, newest first; a driver serves toolkits up to its own major version.</summary>
    /// <param name="newestMajor">The newest major version to name.</param>
    public static string[] CublasLtFiles(int newestMajor) =>
        [.. CudaMajors(newestMajor).Select(static major => OperatingSystem.IsWindows() ? $"cublasLt64_{major}.dll" : $"libcublasLt.so.{major}")];

    /// <summary>Files that the compiler NVRTC may go by, newest first.</summary>
    /// <param name="newestMajor">The newest major version to name.</param>
    public static string[] NvrtcFiles(int newestMajor) =>
        [.. CudaMajors(newestMajor).Select(static major => OperatingSystem.IsWindows() ? $"nvrtc64_{major}0_0.dll" : $"libnvrtc.so.{major}")];

    /// <summary>The file names, as a pattern, of the library that NVRTC opens by its bare name when it first compiles.</summary>
    public static string NvrtcBuiltinsPattern { get; } = OperatingSystem.IsWindows() ? "nvrtc-builtins64_*.dll" : "libnvrtc-builtins.so.*";

    /// <summary>Files of NCCL, which is for Linux alone.</summary>
    public static string[] NcclFiles { get; } = ["libnccl.so.2"];

    /// <summary>What files with the ABI of MPI 5 begin with.</summary>
    public const string MpiAbiPrefix = "libmpi_abi";

    /// <summary>Files of Open MPI 4 and 5, and of any library with the ABI of MPI 5. MPI on Windows and macOS is not looked for.</summary>
    public static string[] OpenMpiFiles { get; } = ["libmpi.so.40", "libmpi_abi.so.1", "libmpi_abi.so.0"];

    /// <summary>Files of MPICH, as Debian names it, and of libraries with its ABI, such as Intel MPI and MVAPICH.</summary>
    public static string[] MpichFiles { get; } = ["libmpich.so.12", "libmpi.so.12", "libmpi_abi.so.1", "libmpi_abi.so.0"];

    // The major versions that the bindings were written for, newest first.
    private static readonly int[] KnownCudaMajors = [13, 12];

    private static IEnumerable<int> CudaMajors(int newest) => KnownCudaMajors.Where(major => major <= newest);
}
