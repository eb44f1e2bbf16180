using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Cblas;

/// <summary>A CBLAS library as this process holds it: found, checked, and held to one thread for each call.</summary>
/// <remarks>Several may be in use at once. What is loaded stays: a library's threads do not survive being unloaded.</remarks>
internal sealed unsafe class CblasLibrary
{
    private const string Remedy =
        "Install OpenBLAS (Debian: libopenblas0-pthread) or BLIS (libblis4-pthread), run build/fetch-cblas.sh, or name a library's file or "
        + "folder by the CblasPath option (--cblas-path) or " + CblasSearch.PathVariable + ".";

    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, CblasLibrary> Loaded = new(StringComparer.Ordinal);

    private readonly CblasFunctions _functions;
    private readonly ThreadLimit _limit;

    // Products beyond this many at a time wait; int.MaxValue where the library has no such limit.
    private readonly int _mostProducts;
    private int _products;

    private CblasLibrary(string path, CblasFunctions functions, CblasMake make)
    {
        (Path, _functions, Version, _limit, _mostProducts) = (path, functions, make.Version, make.Limit, make.MostProducts);
    }

    /// <summary>The library's file, links resolved, or the name that the system's loader found it by.</summary>
    public string Path { get; }

    /// <summary>The library and its version, such as "OpenBLAS 0.3.21 DYNAMIC_ARCH Zen MAX_THREADS=128".</summary>
    public string Version { get; }

    /// <summary>Loads a library, or returns it where the process has it through this gate.</summary>
    /// <param name="configuredPath">A file or folder to use and no other; null looks in the usual locations.</param>
    /// <exception cref="NativeLibraryException">No usable library was found.</exception>
    public static CblasLibrary Load(string? configuredPath)
    {
        lock (Gate)
        {
            var attempts = new List<LibraryAttempt>();
            return LibraryCandidate.First(CblasSearch.Candidates(configuredPath), Libraries.CblasFiles, TryLoad, attempts)
                ?? throw new NativeLibraryException(LibraryAttempt.Summarise("A CBLAS library", attempts), attempts, Remedy);
        }
    }

    /// <inheritdoc cref="Sgemm.Multiply"/>
    public void Multiply(int m, int n, int k, float* a, long lda, float* b, long ldb, bool transposed, float* c, long ldc, bool accumulate)
    {
        Enter();
        int threads = _limit.Hold(_functions);
        try
        {
            Sgemm.Multiply(_functions.cblas_sgemm, m, n, k, a, lda, b, ldb, transposed, c, ldc, accumulate);
        }
        finally
        {
            _limit.Release(_functions, threads);
            Interlocked.Decrement(ref _products);
        }
    }

    /// <summary>Tells what a library is and holds its threads, or says why it cannot serve.</summary>
    /// <param name="path">Where it was found.</param>
    /// <param name="functions">Its functions.</param>
    /// <param name="isShared">Whether the process had it before, so that its settings are somebody else's.</param>
    internal static (CblasLibrary? Library, string? Problem) Configure(string path, CblasFunctions functions, bool isShared)
    {
        (CblasMake? make, string? problem) = CblasMake.Of(path, functions, isShared);
        return make is null ? (null, problem) : (new CblasLibrary(path, functions, make), null);
    }

    /// <summary>
    /// Loads the Fortran runtime that lies beside a library: the loader then finds it by its name. Where it does not, the system has it or says so.
    /// </summary>
    internal static void LoadRuntimeBeside(string path)
    {
        foreach (string runtime in Libraries.FortranRuntime)
        {
            string file = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(path)!, runtime);
            if (File.Exists(file))
            {
                _ = DynamicLinker.TryLoadLocal(file, out _, out _);
            }
        }
    }

    private static (CblasLibrary? Library, string? Problem) TryLoad(string file)
    {
        // Apple's own libraries have no file any more, and others go by a name that the loader knows.
        bool isFile = System.IO.Path.IsPathRooted(file) && !OperatingSystem.IsMacOS();
        if (isFile && !File.Exists(file))
        {
            return (null, "no such file");
        }

        string path = isFile ? LibraryCandidate.RealPath(file) : file;
        if (Loaded.TryGetValue(path, out CblasLibrary? known))
        {
            return (known, null);
        }

        bool isShared = DynamicLinker.IsLoaded(path);
        if (isFile)
        {
            LoadRuntimeBeside(path);
        }

        if (!DynamicLinker.TryLoadLocal(path, out nint handle, out string? problem))
        {
            return (null, problem);
        }

        try
        {
            (CblasLibrary? library, problem) = Configure(path, new CblasFunctions(new LoadedLibrary(path, handle)), isShared);
            if (library is not null)
            {
                Loaded.Add(path, library);
                return (library, null);
            }
        }
        catch (NativeLibraryException missing)
        {
            problem = missing.Message;
        }

        // It stays in the process: it may have started threads.
        return (null, problem);
    }

    // A library with a fixed number of buffers ends the process when it runs out of them.
    private void Enter()
    {
        var wait = default(SpinWait);
        while (Interlocked.Increment(ref _products) > _mostProducts)
        {
            Interlocked.Decrement(ref _products);
            wait.SpinOnce();
        }
    }
}
