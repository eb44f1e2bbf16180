using System.Runtime.InteropServices;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Cuda;

/// <summary>The locations where CUDA's libraries are looked for.</summary>
internal static class CudaSearch
{
    /// <summary>Names the folder of cuBLASLt and NVRTC, or a file in it; used and no other.</summary>
    public const string PathVariable = "NATIVEFFN_CUDA";

    /// <summary>Locations of the driver's library, which comes with the driver and so is the system's own.</summary>
    /// <remarks>A configured folder is asked as well, but may lack it. One from another place than the driver's own seldom works.</remarks>
    public static IEnumerable<LibraryCandidate> Driver(string? configuredPath)
    {
        string[] files = Libraries.CudaDriverFiles;
        IEnumerable<LibraryCandidate> locations = [.. LibraryCandidate.AlreadyLoaded(files, "cuInit"), .. LibraryCandidate.SystemLoader(files)];
        if (OperatingSystem.IsLinux())
        {
            locations = locations.Append(LibraryCandidate.Folder("Windows Subsystem for Linux", "/usr/lib/wsl/lib", files));
        }

        return Configured(configuredPath, files) is { } first
            ? locations.Prepend(first)
            : locations;
    }

    /// <summary>Locations of a library of the toolkit. A configured path, or else one in the environment, is the only one.</summary>
    /// <param name="configuredPath">A folder or a file in it; null for the usual locations.</param>
    /// <param name="files">The names that the library may go by, best first.</param>
    /// <param name="symbol">A function that it exports.</param>
    public static IEnumerable<LibraryCandidate> Toolkit(string? configuredPath, string[] files, string symbol) =>
        Configured(configuredPath, files) is { } only ? [only] : Usual(files, symbol);

    /// <summary>The usual locations of a library of the toolkit, or of what comes to the same places.</summary>
    /// <inheritdoc cref="Toolkit" path="/param"/>
    public static IEnumerable<LibraryCandidate> Usual(string[] files, string symbol) =>
    [
        .. LibraryCandidate.AlreadyLoaded(files, symbol),
        .. LibraryCandidate.Application(files),
        .. LibraryCandidate.Environment("CUDA_HOME", ToolkitFolders, files),
        .. LibraryCandidate.Environment("CUDA_PATH", ToolkitFolders, files),
        .. OperatingSystem.IsLinux()
            ? ToolkitFolders.Select(folder => LibraryCandidate.Folder("CUDA toolkit", Path.Combine("/usr/local/cuda", folder), files))
            : [],
        .. LibraryCandidate.Environment("CONDA_PREFIX", ["lib"], files),
        .. Environment.GetEnvironmentVariable("VIRTUAL_ENV") is { Length: > 0 } python
            && LibraryCandidate.Absolute("VIRTUAL_ENV", python) is { } refused ? [refused] : Array.Empty<LibraryCandidate>(),
        Python(files),
        .. LibraryCandidate.Cache("build/fetch-cuda.sh", "cuda", files),
        .. LibraryCandidate.SystemLoader(files),
    ];

    private static string[] ToolkitFolders { get; } =
        OperatingSystem.IsWindows() ? [Path.Combine("bin", "x64"), "bin"] : ["lib64", Path.Combine("targets", LinuxTarget, "lib")];

    private static string LinuxTarget => RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "sbsa-linux" : "x86_64-linux";

    private static LibraryCandidate? Configured(string? configuredPath, string[] files) => LibraryCandidate.Configured(
        configuredPath, PathVariable, (place, path) => LibraryCandidate.Folder(place, FolderOf(path), files));

    private static string FolderOf(string path) =>
        Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path)) ?? path;

    // NVIDIA's Python packages: nvidia/cublas/lib and nvidia/cuda_nvrtc/lib of CUDA 12, nvidia/cu13/lib of CUDA 13.
    private static LibraryCandidate Python(string[] files)
    {
        string[] packages = [.. PythonFolders().Select(static folder => Path.Combine(folder, "nvidia")).Where(Directory.Exists)];
        string libraries = OperatingSystem.IsWindows() ? "bin" : "lib";
        string[] folders = [.. packages.SelectMany(Subfolders).Select(folder => Path.Combine(folder, libraries))];
        string location = packages.Length == 0 ? "nvidia in site-packages" : string.Join(Path.PathSeparator, packages);
        return new LibraryCandidate("Python packages", location, LibraryCandidate.FilesIn(folders, files));
    }

    private static IEnumerable<string> PythonFolders()
    {
        string?[] roots =
        [
            Environment.GetEnvironmentVariable("VIRTUAL_ENV"),
            Environment.GetEnvironmentVariable("CONDA_PREFIX"),
            Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local"),
            .. OperatingSystem.IsWindows() ? Array.Empty<string>() : ["/usr/local", "/usr", "/opt/conda"],
        ];
        foreach (string root in roots.OfType<string>().Where(Path.IsPathFullyQualified))
        {
            yield return Path.Combine(root, "Lib", "site-packages");
            foreach (string python in Subfolders(Path.Combine(root, "lib"), "python3*"))
            {
                yield return Path.Combine(python, "site-packages");
                yield return Path.Combine(python, "dist-packages");
            }
        }
    }

    private static IEnumerable<string> Subfolders(string folder) => Subfolders(folder, "*");

    // The newest Python first. A folder that may not be read has nothing for this process.
    private static IEnumerable<string> Subfolders(string folder, string pattern) => Directory.Exists(folder)
        ? Directory.EnumerateDirectories(folder, pattern, Readable).OrderDescending(StringComparer.Ordinal)
        : [];

    private static EnumerationOptions Readable { get; } = new() { IgnoreInaccessible = true };
}
