using System.Runtime.InteropServices;
using NativeFfn.Bindings.Cblas;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Mkl;

/// <summary>MKL as this process holds it: found, checked and told which layers to use.</summary>
internal sealed unsafe class MklLibrary
{
    /// <summary>The oldest MKL that NativeFfn supports.</summary>
    private const int OldestMajorVersion = 2018;

    private const string Remedy =
        "Add the package NativeFfn.Native.Mkl.linux-x64 to the application, run build/fetch-mkl.sh, install Intel oneAPI MKL, or name a libmkl_rt "
        + "file or folder by the MklPath option (--mkl-path) or " + MklSearch.PathVariable + ".";

    private static readonly Lock Gate = new();
    private static MklLibrary? s_loaded;

    private MklLibrary(string path, MklFunctions functions, string version, bool isSequential)
    {
        Path = path;
        Functions = functions;
        Version = version;
        IsSequential = isSequential;
    }

    /// <summary>The file of the single library, links resolved.</summary>
    public string Path { get; }

    /// <summary>The library's functions.</summary>
    public MklFunctions Functions { get; }

    /// <summary>Version and update, such as "2020.0.4 Product Build 20200917".</summary>
    public string Version { get; }

    /// <summary>
    /// Whether MKL runs in its sequential layer. It does not where the application has used MKL with another layer before; then every call
    /// is held to one thread.
    /// </summary>
    public bool IsSequential { get; }

    /// <summary>Loads MKL, or returns it where the process has it through this gate.</summary>
    /// <param name="configuredPath">A file or folder to use and no other; null looks in the usual locations.</param>
    /// <exception cref="NativeLibraryException">No usable MKL was found, or another one than the configured is in use.</exception>
    public static MklLibrary Load(string? configuredPath)
    {
        lock (Gate)
        {
            if (s_loaded is null)
            {
                return s_loaded = Find(configuredPath);
            }

            if (configuredPath is not null && !MklSearch.Candidates(configuredPath).Single().Files.Any(s_loaded.IsFile))
            {
                throw new NativeLibraryException(
                    $"Intel MKL is in use from {s_loaded.Path}, and a process has one MKL.",
                    [new LibraryAttempt("configured path", configuredPath, "is not that file")],
                    "Give every engine of the process the same MklPath.");
            }

            return s_loaded;
        }
    }

    /// <inheritdoc cref="Sgemm.Multiply"/>
    public void Multiply(int m, int n, int k, float* a, long lda, float* b, long ldb, bool transposed, float* c, long ldc, bool accumulate)
    {
        using SingleThreadScope scope = KeepToOneThread();
        Sgemm.Multiply(Functions.cblas_sgemm, m, n, k, a, lda, b, ldb, transposed, c, ldc, accumulate);
    }

    /// <summary>Holds MKL calls of this thread to one thread until the scope ends.</summary>
    public SingleThreadScope KeepToOneThread() => new(IsSequential ? null : Functions);

    private static MklLibrary Find(string? configuredPath)
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            throw new NativeLibraryException(
                $"Intel MKL runs in x86-64 processes only, and this one is {RuntimeInformation.ProcessArchitecture}.", [], "Use the managed backend.");
        }

        var attempts = new List<LibraryAttempt>();
        if (LibraryCandidate.First(MklSearch.Candidates(configuredPath), Libraries.MklRtFiles, TryLoad, attempts) is { } found)
        {
            return found;
        }

        string musl = RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal)
            ? " This system uses the musl C library, for which there is no MKL; it needs glibc."
            : string.Empty;
        throw new NativeLibraryException(LibraryAttempt.Summarise("Intel MKL", attempts) + musl, attempts, Remedy);
    }

    // Nothing of MKL may be called before its layers are known to load: where one is missing, MKL ends the process.
    private static (MklLibrary? Library, string? Problem) TryLoad(string file)
    {
        string path = file;
        if (System.IO.Path.IsPathRooted(file))
        {
            if (!File.Exists(file))
            {
                return (null, "no such file");
            }

            path = LibraryCandidate.RealPath(file);
            if (LoadLayers(path) is { } layerProblem)
            {
                return (null, layerProblem);
            }
        }

        if (!DynamicLinker.TryLoadGlobal(path, resolveNow: true, out nint handle, out string? problem))
        {
            return (null, problem);
        }

        try
        {
            return Configure(path, new MklFunctions(new LoadedLibrary(path, handle)));
        }
        catch (NativeLibraryException missing)
        {
            NativeLibrary.Free(handle);
            return (null, missing.Message);
        }
    }

    // An MKL that the application uses already has layers of its own choice, which must not be joined by others.
    private static string? LoadLayers(string path)
    {
        if (DynamicLinker.IsLoaded(LayerBeside(path, Libraries.MklLayers[0])))
        {
            return null;
        }

        // MKL opens more files of its own at its first call, the kernels for this processor among them.
        string pattern = System.IO.Path.GetFileName(LayerBeside(path, "libmkl_*"));
        foreach (string file in Directory.GetFiles(System.IO.Path.GetDirectoryName(path)!, pattern))
        {
            if (DynamicLinker.WhyUnsafe(file) is { } unsafeFile)
            {
                return unsafeFile;
            }
        }

        // Held for good on success: MKL would load the same files at its first call, and ends the process if it cannot.
        var layers = new List<nint>();
        foreach (string layer in Libraries.MklLayers)
        {
            string file = LayerBeside(path, layer);
            string? problem = $"it needs {System.IO.Path.GetFileName(file)} beside it, which is missing";
            if (!File.Exists(file) || !DynamicLinker.TryLoadGlobal(file, resolveNow: false, out nint handle, out problem))
            {
                layers.ForEach(NativeLibrary.Free);
                return problem;
            }

            layers.Add(handle);
        }

        return null;
    }

    /// <summary>Tells a library that is loaded how to work here, or what is wrong with it.</summary>
    internal static (MklLibrary? Library, string? Problem) Configure(string path, MklFunctions functions)
    {
        // Each answers with the layer in force, which is another one where the application called MKL before.
        int threading = functions.MKL_Set_Threading_Layer(MklFunctions.ThreadingSequential);
        int integers = functions.MKL_Set_Interface_Layer(MklFunctions.InterfaceLp64);

        // Bit 0 of the interface tells 64-bit integers from 32-bit ones; other bits name compilers.
        if ((integers & 1) != 0)
        {
            return (null, "the application uses it with 64-bit integers (ILP64) already; NativeFfn needs 32-bit ones (LP64)");
        }

        bool repeatable = MakeRepeatable(functions);
        MklFunctions.MKLVersion version = default;
        functions.MKL_Get_Version(&version);
        if (version.MajorVersion < OldestMajorVersion)
        {
            return (null, $"it is MKL {version.MajorVersion}; {OldestMajorVersion} or newer is needed");
        }

        string text = $"{version.MajorVersion}.{version.MinorVersion}.{version.UpdateVersion}"
            + $" {Text(version.ProductStatus)} build {Text(version.Build)} for {Text(version.Processor)}"
            + (repeatable ? string.Empty : ", used by the application before and not set to repeat its bits");
        return (new MklLibrary(path, functions, text, threading == MklFunctions.ThreadingSequential), null);
    }

    // Left alone, MKL rounds differently for operands that lie differently in memory. A setting of the application's, or of the
    // environment variable MKL_CBWR, stays; and once a product was computed, MKL takes no new one.
    private static bool MakeRepeatable(MklFunctions functions) =>
        functions.MKL_CBWR_Get(MklFunctions.CbwrAll) > MklFunctions.CbwrBranchOff
        || functions.MKL_CBWR_Set(MklFunctions.CbwrAuto) == MklFunctions.CbwrSuccess;

    private static string Text(byte* utf8) => Marshal.PtrToStringUTF8((nint)utf8)?.Trim() ?? "unknown";

    // libmkl_rt.so.2 goes with libmkl_core.so.2, mkl_rt.2.dll with mkl_core.2.dll.
    private static string LayerBeside(string path, string layer)
    {
        string name = System.IO.Path.GetFileName(path);
        string suffix = name[name.IndexOf('.', StringComparison.Ordinal)..];
        return System.IO.Path.Combine(System.IO.Path.GetDirectoryName(path)!, layer + suffix);
    }

    private bool IsFile(string file) => File.Exists(file) && LibraryCandidate.RealPath(file) == Path;

    /// <summary>Does nothing in the sequential layer; elsewhere sets this thread's MKL thread count and restores it.</summary>
    internal readonly ref struct SingleThreadScope
    {
        private readonly MklFunctions? _functions;
        private readonly int _previous;

        public SingleThreadScope(MklFunctions? functions)
        {
            _functions = functions;
            _previous = functions is null ? 0 : functions.MKL_Set_Num_Threads_Local(1);
        }

        public void Dispose()
        {
            if (_functions is not null)
            {
                _ = _functions.MKL_Set_Num_Threads_Local(_previous);
            }
        }
    }
}
