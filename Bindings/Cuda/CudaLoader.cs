using System.Runtime.InteropServices;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Cuda;

/// <summary>Loads each of CUDA's libraries from the first place that has a usable one, for good.</summary>
internal static class CudaLoader
{
    private const string ElseCpu = "Without it, the mkl and managed backends compute on the CPU.";

    /// <summary>The driver's library.</summary>
    /// <param name="configuredPath">A folder to ask first; null for the usual locations.</param>
    /// <exception cref="NativeLibraryException">It was not found, or cannot be used.</exception>
    public static LoadedLibrary Driver(string? configuredPath) => Load(
        CudaSearch.Driver(configuredPath), Libraries.CudaDriverFiles, "cuInit", "The library of the NVIDIA driver",
        "Install the NVIDIA driver (525 or newer on Linux); a container needs the NVIDIA runtime (docker run --gpus all). " + ElseCpu);

    /// <summary>cuBLASLt.</summary>
    /// <param name="configuredPath">A folder, or a file in it, to use and no other; null for the usual locations.</param>
    /// <param name="newestMajor">The driver's major version of CUDA, which libraries must not pass.</param>
    /// <exception cref="NativeLibraryException">It was not found, or cannot be used.</exception>
    public static LoadedLibrary CuBlasLt(string? configuredPath, int newestMajor)
    {
        const string Symbol = "cublasLtCreate";
        string[] files = Libraries.CublasLtFiles(newestMajor);
        return Load(
            CudaSearch.Toolkit(configuredPath, files, Symbol), files, Symbol, "cuBLASLt",
            Remedy("cuBLAS", "build/fetch-cuda.sh --all", newestMajor));
    }

    /// <summary>The compiler NVRTC.</summary>
    /// <param name="configuredPath">A folder, or a file in it, to use and no other; null for the usual locations.</param>
    /// <param name="newestMajor">The driver's major version of CUDA, which libraries must not pass.</param>
    /// <exception cref="NativeLibraryException">It was not found, or cannot be used.</exception>
    public static LoadedLibrary Nvrtc(string? configuredPath, int newestMajor)
    {
        const string Symbol = "nvrtcVersion";
        string[] files = Libraries.NvrtcFiles(newestMajor);
        return Load(
            CudaSearch.Toolkit(configuredPath, files, Symbol), files, Symbol, "CUDA's run-time compiler NVRTC",
            Remedy("NVRTC", "build/fetch-cuda.sh", newestMajor), LoadBuiltins);
    }

    private static string Remedy(string library, string script, int newestMajor) =>
        $"Install {library} of the CUDA toolkit, 12.0 or newer and no newer than the driver's CUDA {newestMajor}, or run {script}, or name "
        + $"the libraries' folder by the CudaPath option (--cuda-path) or {CudaSearch.PathVariable}. {ElseCpu}";

    /// <summary>Loads a library that has a function.</summary>
    /// <param name="candidates">The locations in order.</param>
    /// <param name="files">What to say was missing where a place has nothing.</param>
    /// <param name="symbol">The function.</param>
    /// <param name="library">What the library is called in a message.</param>
    /// <param name="remedy">What to do where there is none.</param>
    /// <param name="prepare">Is called with a file before it is loaded.</param>
    /// <exception cref="NativeLibraryException">It was not found, or cannot be used.</exception>
    public static LoadedLibrary Load(
        IEnumerable<LibraryCandidate> candidates, string[] files, string symbol, string library, string remedy,
        Action<string>? prepare = null)
    {
        var attempts = new List<LibraryAttempt>();
        return LibraryCandidate.First(candidates, files, TryLoad, attempts) ?? throw new NativeLibraryException(
            LibraryAttempt.Summarise(library, attempts), attempts, remedy);

        (LoadedLibrary? Library, string? Problem) TryLoad(string file)
        {
            bool isFile = Path.IsPathRooted(file);
            if (isFile)
            {
                prepare?.Invoke(file);
            }

            if (!DynamicLinker.TryLoadLocal(file, out nint handle, out string? problem))
            {
                return (null, problem);
            }

            if (!NativeLibrary.TryGetExport(handle, symbol, out _))
            {
                NativeLibrary.Free(handle);
                return (null, $"it has no function {symbol}");
            }

            string path = isFile ? LibraryCandidate.RealPath(file) : DynamicLinker.FindLoaded([file], symbol) ?? file;
            return (new LoadedLibrary(path, handle), null);
        }
    }

    // NVRTC opens its builtins by name alone when it first compiles; the process having them is what makes the name known.
    private static void LoadBuiltins(string nvrtc)
    {
        string folder = Path.GetDirectoryName(LibraryCandidate.RealPath(nvrtc))!;
        if (!Directory.Exists(folder))
        {
            return;
        }

        foreach (string file in Directory.GetFiles(folder, Libraries.NvrtcBuiltinsPattern).Select(LibraryCandidate.RealPath).Distinct())
        {
            // One that does not load is another version's or will be missed by the compiler, which then says so.
            _ = DynamicLinker.TryLoadLocal(file, out _, out _);
        }
    }
}
