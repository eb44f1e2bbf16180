using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace NativeFfn.Bench.Subjects;

/// <summary>A BLAS with 32-bit dimensions, loaded from a file of choice; two of them share a process without meeting.</summary>
internal sealed unsafe class PlainSgemm : IDisposable
{
    // CBLAS_LAYOUT and CBLAS_TRANSPOSE.
    private const int CblasRowMajor = 101;
    private const int CblasNoTrans = 111;
    private const int CblasTrans = 112;

    // What Debian's OpenBLAS needs beside it, in the order of loading.
    private static readonly ImmutableArray<string> FortranRuntime = ["libquadmath.so.0", "libgfortran.so.5"];

    private readonly delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> _sgemm;
    private readonly FfnEngine? _owner;

    private PlainSgemm(nint handle, string version, FfnEngine? owner)
    {
        _sgemm = (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)
            NativeLibrary.GetExport(handle, "cblas_sgemm");
        Version = version;
        _owner = owner;
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
        return new PlainSgemm(NativeLibrary.Load(engine.Backend.Path!), $"plain sgemm of {engine.Backend.Version}", engine);
    }

    /// <summary>OpenBLAS with threads of its own.</summary>
    /// <param name="threads">Threads of one call.</param>
    /// <exception cref="DllNotFoundException">There is no OpenBLAS.</exception>
    public static PlainSgemm OpenOpenBlas(int threads)
    {
        string file = FetchedLibrary.Find("OpenBLAS", "openblas", "build/fetch-cblas.sh openblas", "libopenblas.so.0", "NATIVEFFN_OPENBLAS");
        string folder = Path.GetDirectoryName(file)!;
        foreach (string runtime in FortranRuntime)
        {
            // Found by their names once they are in the process; where they are not beside it, the system has them.
            _ = NativeLibrary.TryLoad(Path.Combine(folder, runtime), out _);
        }

        nint handle = NativeLibrary.Load(file);
        var setThreads = (delegate* unmanaged<int, void>)NativeLibrary.GetExport(handle, "openblas_set_num_threads");
        var getConfig = (delegate* unmanaged<byte*>)NativeLibrary.GetExport(handle, "openblas_get_config");
        setThreads(threads);
        return new PlainSgemm(handle, "plain sgemm of " + Marshal.PtrToStringUTF8((nint)getConfig())!.Trim(), owner: null);
    }

    /// <summary>C[m, n] = A[m, k] · B[n, k]ᵀ + beta · C, row-major.</summary>
    public void MultiplyTransposed(int m, int n, int k, float* a, int lda, float* b, int ldb, float beta, float* c, int ldc) =>
        _sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1f, a, lda, b, ldb, beta, c, ldc);

    // The libraries themselves stay: their threads do not survive being unloaded.
    public void Dispose() => _owner?.Dispose();
}
