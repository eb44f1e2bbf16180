using System.Runtime.InteropServices;
using NativeFfn.Bindings.Cblas;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bench.Subjects;

/// <summary>A BLAS with 32-bit dimensions, loaded from a file of choice; two of them share a process without meeting.</summary>
internal sealed unsafe class PlainSgemm : IDisposable
{
    private readonly CblasFunctions _functions;
    private readonly FfnEngine? _owner;

    private PlainSgemm(CblasFunctions functions, string version, FfnEngine? owner)
    {
        (_functions, _owner) = (functions, owner);
        Version = "plain sgemm of " + version;
    }

    /// <summary>The library and its version.</summary>
    public string Version { get; }

    /// <summary>
    /// MKL as NativeFfn found and configured it. A process has one MKL with one threading layer, here the sequential one: callers bring
    /// threads of their own.
    /// </summary>
    /// <exception cref="BackendUnavailableException">There is no MKL.</exception>
    public static PlainSgemm OpenMkl()
    {
        FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Mkl, Threads = 1 });
        return new PlainSgemm(Load(engine.Backend.Path!), engine.Backend.Version, engine);
    }

    /// <summary>OpenBLAS with threads of its own.</summary>
    /// <param name="threads">Threads of one call.</param>
    /// <exception cref="DllNotFoundException">There is no OpenBLAS.</exception>
    public static PlainSgemm OpenOpenBlas(int threads)
    {
        string file = FetchedLibrary.Find("OpenBLAS", "openblas", "build/fetch-cblas.sh openblas", "libopenblas.so.0", "NATIVEFFN_OPENBLAS");
        CblasLibrary.LoadRuntimeBeside(file);
        CblasFunctions functions = Load(file);
        if (functions.openblas_set_num_threads is null || functions.openblas_get_config is null)
        {
            throw new DllNotFoundException($"'{file}' is no OpenBLAS. Name one by NATIVEFFN_OPENBLAS, or run build/fetch-cblas.sh openblas.");
        }

        functions.openblas_set_num_threads(threads);
        return new PlainSgemm(functions, Marshal.PtrToStringUTF8((nint)functions.openblas_get_config())!.Trim(), owner: null);
    }

    /// <summary>C[m, n] = A[m, k] · B[n, k]ᵀ, or C += that product, row-major.</summary>
    public void MultiplyTransposed(int m, int n, int k, float* a, int lda, float* b, int ldb, float* c, int ldc, bool accumulate) =>
        Sgemm.Multiply(_functions.cblas_sgemm, m, n, k, a, lda, b, ldb, transposed: true, c, ldc, accumulate);

    // The libraries themselves stay: their threads do not survive being unloaded.
    public void Dispose() => _owner?.Dispose();

    private static CblasFunctions Load(string file) => new(new LoadedLibrary(file, NativeLibrary.Load(file)));
}
