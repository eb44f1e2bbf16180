using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Bindings.Cblas;

namespace NativeFfn.Backends.Cpu;

/// <summary>A CBLAS library on the CPU: its sgemm, one thread a call, inside this library's worker team; the panel kernels where they are faster.</summary>
internal static class CblasBackend
{
    /// <summary>Whether a library is named, without which <see cref="BackendKind.Auto"/> looks for none.</summary>
    public static bool IsNamed(FfnEngineOptions options) => CblasSearch.IsNamed(options.CblasPath);

    /// <summary>Loads the library and starts a team.</summary>
    /// <exception cref="Bindings.NativeLibraryException">No usable library was found.</exception>
    public static IFfnBackend Open(FfnEngineOptions options)
    {
        CblasLibrary library = CblasLibrary.Load(options.CblasPath);
        return SgemmBackend.Open(options, BackendKind.Cblas, library.Version, library.Path, new CblasProduct(library));
    }

    private sealed unsafe class CblasProduct(CblasLibrary library) : IMatrixProduct
    {
        public void Multiply(
            int m, int n, int k, float* a, long lda, float* b, long ldb, bool transposed, float* c, long ldc, bool accumulate) =>
            library.Multiply(m, n, k, a, lda, b, ldb, transposed, c, ldc, accumulate);
    }
}
