using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Gemm.Autotuning;
using NativeFfn.Backends.Simd;
using NativeFfn.Bindings.Mkl;

namespace NativeFfn.Backends.Cpu;

/// <summary>Intel MKL on the CPU: its sgemm in its sequential layer, inside this library's worker team; the panel kernels where they are faster.</summary>
internal static class MklBackend
{
    /// <summary>Loads MKL and starts a team.</summary>
    /// <exception cref="Bindings.NativeLibraryException">No usable MKL was found.</exception>
    public static IFfnBackend Open(FfnEngineOptions options)
    {
        MklLibrary library = MklLibrary.Load(options.MklPath);
        var gemms = new GemmList(
            options.Precision, options.Kernel, new MklProduct(library),
            $"{Processor.Name}, MKL {library.Version}, {SimdWidth.Description}");
        return new CpuBackend(
            new BackendDescription(BackendKind.Mkl, "MKL " + library.Version, library.Path, options.Threads)
            {
                RunsPartsOfMixtures = true, OwnKernel = CpuKernel.Mkl, ConcurrentForwards = Environment.ProcessorCount,
            },
            options,
            gemms);
    }

    private sealed unsafe class MklProduct(MklLibrary library) : IMatrixProduct
    {
        public void Multiply(
            int m, int n, int k, float* a, long lda, float* b, long ldb, bool transposed, float* c, long ldc, bool accumulate) =>
            MklSgemm.Multiply(library, m, n, k, a, lda, b, ldb, transposed, c, ldc, accumulate);
    }
}
