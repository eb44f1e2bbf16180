using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu;

/// <summary>A backend on the CPU with a library's sgemm beside the panel kernels.</summary>
internal static class SgemmBackend
{
    /// <summary>Starts a team for a library that is loaded.</summary>
    /// <param name="options">What the engine was asked for.</param>
    /// <param name="kind">The backend.</param>
    /// <param name="version">The library and its version, which measurements are kept for.</param>
    /// <param name="path">The library's file.</param>
    /// <param name="product">Its product.</param>
    public static IFfnBackend Open(FfnEngineOptions options, BackendKind kind, string version, string path, IMatrixProduct product) => new CpuBackend(
        new BackendDescription(kind, version, path, options.Threads)
        {
            RunsPartsOfMixtures = true, OwnKernel = CpuKernel.Sgemm, ConcurrentForwards = Environment.ProcessorCount,
            DescribeKernels = GemmList.DescribeKernels,
        },
        options,
        new GemmList(options.Precision, options.Kernel, product, $"{Processor.Name}, {version}, {SimdWidth.Description}"));
}
