using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu;

/// <summary>C# with hardware vectors: always available, no native library.</summary>
internal static class ManagedBackend
{
    /// <summary>Starts a team.</summary>
    /// <exception cref="BackendUnavailableException">MKL's kernel was asked for.</exception>
    public static IFfnBackend Open(FfnEngineOptions options) => options.Kernel == CpuKernel.Mkl
        ? throw new BackendUnavailableException(BackendKind.Managed, "it has no MKL kernel. Use kernel auto or panels, or backend mkl.")
        : new CpuBackend(
            new BackendDescription(BackendKind.Managed, SimdWidth.Description, Path: null, options.Threads)
            {
                RunsPartsOfMixtures = true, RowsAreIndependent = true, ConcurrentForwards = Environment.ProcessorCount,
            },
            options,
            new GemmList(options.Precision));
}
