using System.Runtime.InteropServices;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Mkl;

/// <summary>MKL as this process holds it: found, checked and told which layers to use.</summary>
internal sealed unsafe class MklLibrary
{
    /// <summary>The first MKL with packed sgemm in its stable form.</summary>
    private const int OldestMajorVersion = 2018;

    private const string Remedy =
        "Run build/fetch-mkl.sh, install Intel oneAPI MKL, or name a libmkl_rt file or folder by the MklPath option (--mkl-path) or "
        + MklSearch.PathVariable + ".";

    private static readonly string[] RequiredExports =
    [
        "cblas_sgemm", "cblas_sgemm_pack_get_size", "cblas_sgemm_pack", "cblas_sgemm_compute", "MKL_Set_Interface_Layer",
        "MKL_Set_Threading_Layer", "MKL_CBWR_Get", "MKL_CBWR_Set", "MKL_Set_Num_Threads_Local", "MKL_Get_Max_Threads", "MKL_Get_Version",
    ];

    private static readonly Lock Gate = new();
    private static MklLibrary? s_loaded;

    private MklLibrary(string path, string version, bool isSequential)
    {
        Path = path;
        Version = version;
        IsSequential = isSequential;
    }

    /// <summary>The file of the single library, links resolved.</summary>
    public string Path { get; }

    /// <summary>Version and update, such as "2020.0.4 Product Build 20200917".</summary>
    public string Version { get; }

    /// <summary>
    /// Whether MKL runs in its sequential layer. It does not where the application has used MKL with another layer before; then every call
    /// is held to one thread.
    /// </summary>
    public bool IsSequential { get; }

    /// <summary>Loads MKL, or returns it where the process has it through this gate.</summary>
    /// <param name="configuredPath">A file or folder to use and no other; null looks in the usual places.</param>
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

    /// <summary>Holds MKL calls of this thread to one thread until the scope ends.</summary>
    public SingleThreadScope KeepToOneThread() => new(!IsSequential);

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
        throw new NativeLibraryException("Intel MKL was not found." + musl, attempts, Remedy);
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

        foreach (string export in RequiredExports)
        {
            if (!NativeLibrary.TryGetExport(handle, export, out _))
            {
                NativeLibrary.Free(handle);
                return (null, $"it has no function {export}; MKL {OldestMajorVersion} or newer is needed");
            }
        }

        return Configure(path, handle);
    }

    // An MKL that the application uses already has layers of its own choice, which must not be joined by others.
    private static string? LoadLayers(string path)
    {
        if (DynamicLinker.IsLoaded(LayerBeside(path, Libraries.MklLayers[0])))
        {
            return null;
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

    private static (MklLibrary? Library, string? Problem) Configure(string path, nint handle)
    {
        var setInterface = (delegate* unmanaged<int, int>)NativeLibrary.GetExport(handle, nameof(MklService.MKL_Set_Interface_Layer));
        var setThreading = (delegate* unmanaged<int, int>)NativeLibrary.GetExport(handle, nameof(MklService.MKL_Set_Threading_Layer));
        var getVersion = (delegate* unmanaged<MklService.MKLVersion*, void>)NativeLibrary.GetExport(handle, nameof(MklService.MKL_Get_Version));

        // Each answers with the layer in force, which is another one where the application called MKL before.
        int threading = setThreading(MklService.ThreadingSequential);
        int integers = setInterface(MklService.InterfaceLp64);

        // Bit 0 of the interface tells 64-bit integers from 32-bit ones; other bits name compilers.
        if ((integers & 1) != 0)
        {
            return (null, "the application uses it with 64-bit integers (ILP64) already; NativeFfn needs 32-bit ones (LP64)");
        }

        bool repeatable = MakeRepeatable(handle);
        MklService.MKLVersion version = default;
        getVersion(&version);
        if (version.MajorVersion < OldestMajorVersion)
        {
            return (null, $"it is MKL {version.MajorVersion}; {OldestMajorVersion} or newer is needed");
        }

        string text = $"{version.MajorVersion}.{version.MinorVersion}.{version.UpdateVersion}"
            + $" {Text(version.ProductStatus)} build {Text(version.Build)} for {Text(version.Processor)}"
            + (repeatable ? string.Empty : ", used by the application before and not set to repeat its bits");
        ImportResolver.Admit(Libraries.MklRt, handle);

        // The first call binds the imports, while no other thread can.
        MklService.MKL_Get_Version(&version);
        return (new MklLibrary(path, text, threading == MklService.ThreadingSequential), null);
    }

    // Left alone, MKL rounds differently for operands that lie differently in memory. A setting of the application's, or of the
    // environment variable MKL_CBWR, stays; and once a product was computed, MKL takes no new one.
    private static bool MakeRepeatable(nint handle)
    {
        var get = (delegate* unmanaged<int, int>)NativeLibrary.GetExport(handle, nameof(MklService.MKL_CBWR_Get));
        var set = (delegate* unmanaged<int, int>)NativeLibrary.GetExport(handle, nameof(MklService.MKL_CBWR_Set));
        return get(MklService.CbwrAll) > MklService.CbwrBranchOff || set(MklService.CbwrAuto) == MklService.CbwrSuccess;
    }

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
        private readonly bool _active;
        private readonly int _previous;

        public SingleThreadScope(bool active)
        {
            _active = active;
            _previous = active ? MklService.MKL_Set_Num_Threads_Local(1) : 0;
        }

        public void Dispose()
        {
            if (_active)
            {
                _ = MklService.MKL_Set_Num_Threads_Local(_previous);
            }
        }
    }
}
