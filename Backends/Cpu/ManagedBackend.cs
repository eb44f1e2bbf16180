using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu;

/// <summary>C# with hardware vectors: always available, no native library.</summary>
internal static class ManagedBackend
{
    /// <summary>Starts a team.</summary>
    /// <exception cref="BackendUnavailableException">a library's sgemm was asked for.</exception>
    public static IFfnBackend Open(FfnEngineOptions options) => options.Kernel == CpuKernel.Sgemm
        ? throw new BackendUnavailableException(BackendKind.Managed, "it has no sgemm. Use kernel auto or panels, or a backend with a library: mkl or cblas.")
        : new CpuBackend(
            new BackendDescription(BackendKind.Managed, SimdWidth.Description, Path: null, options.Threads)
            {
                RunsPartsOfMixtures = true, RowsAreIndependent = true, ConcurrentForwards = Environment.ProcessorCount,
                DescribeKernels = GemmList.DescribeKernels,
            },
            options,
            new GemmList(options.Precision));
}
