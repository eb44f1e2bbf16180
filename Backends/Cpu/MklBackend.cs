using NativeFfn.Backends.Cpu.Gemm;
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
        return SgemmBackend.Open(options, BackendKind.Mkl, "MKL " + library.Version, library.Path, new MklProduct(library));
    }

    private sealed unsafe class MklProduct(MklLibrary library) : IMatrixProduct
    {
        public void Multiply(
            int m, int n, int k, float* a, long lda, float* b, long ldb, bool transposed, float* c, long ldc, bool accumulate) =>
            library.Multiply(m, n, k, a, lda, b, ldb, transposed, c, ldc, accumulate);
    }
}
