using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Mkl;

/// <summary>The places where MKL's single library is looked for.</summary>
internal static class MklSearch
{
    /// <summary>Names a file or folder of libmkl_rt, used and no other.</summary>
    public const string PathVariable = "NATIVEFFN_MKL";

    /// <summary>A place and the files in it that may be the library, best first; a name without a folder is left to the system's loader.</summary>
    public readonly record struct Candidate(string Place, string Location, string[] Files);

    /// <summary>The places in order. A configured path, or else one in the environment, is the only one.</summary>
    public static IEnumerable<Candidate> Candidates(string? configuredPath)
    {
        if (configuredPath is not null)
        {
            return [Named("configured path", configuredPath)];
        }

        if (Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } path)
        {
            return [Named($"environment variable {PathVariable}", path)];
        }

        return UsualPlaces();
    }

    private static IEnumerable<Candidate> UsualPlaces()
    {
        if (DynamicLinker.FindLoaded(Libraries.MklRtFiles, "cblas_sgemm") is { } loaded)
        {
            yield return new Candidate("already in the process", loaded, [loaded]);
        }

        yield return Folder("application folder", AppContext.BaseDirectory);
        yield return Folder(
            "application's runtimes folder", Path.Combine(AppContext.BaseDirectory, "runtimes", PortableRuntime, "native"));

        if (Environment.GetEnvironmentVariable("MKLROOT") is { Length: > 0 } root)
        {
            yield return Folder("environment variable MKLROOT", Path.Combine(root, "lib"));
            yield return Folder("environment variable MKLROOT", Path.Combine(root, "lib", "intel64"));
        }

        if (OperatingSystem.IsLinux())
        {
            yield return Folder("oneAPI", "/opt/intel/oneapi/mkl/latest/lib");
        }

        string cache = Path.Combine(UserCache.Folder, "mkl");
        string[] versions = Directory.Exists(cache) ? Directory.GetDirectories(cache) : [];
        if (versions.Length == 0)
        {
            yield return Folder("cache of build/fetch-mkl.sh", cache);
        }

        foreach (string version in versions.OrderDescending(StringComparer.Ordinal))
        {
            yield return Folder("cache of build/fetch-mkl.sh", Path.Combine(version, "lib"));
        }

        foreach (string file in Libraries.MklRtFiles)
        {
            yield return new Candidate("system's loader", file, [file]);
        }
    }

    // Where NuGet packages put their files; MKL is for x86-64 alone.
    private static string PortableRuntime =>
        OperatingSystem.IsWindows() ? "win-x64" : OperatingSystem.IsMacOS() ? "osx-x64" : "linux-x64";

    private static Candidate Named(string place, string path) =>
        Directory.Exists(path) ? Folder(place, path) : new Candidate(place, path, [Path.GetFullPath(path)]);

    private static Candidate Folder(string place, string folder)
    {
        string[] files = [.. Libraries.MklRtFiles.Select(file => Path.GetFullPath(Path.Combine(folder, file))).Where(File.Exists)];
        return new Candidate(place, folder, files);
    }
}
