using System.Collections.Immutable;

namespace NativeFfn.Bench.Subjects;

/// <summary>Where <c>build/fetch-openblas.sh</c> has put OpenBLAS, or which one the user wants instead.</summary>
internal static class OpenBlasSearch
{
    /// <summary>Names a file to use and no other.</summary>
    public const string PathVariable = "NATIVEFFN_OPENBLAS";

    private const string FileName = "libopenblas.so.0";

    /// <summary>What Debian's build needs beside it, in the order of loading.</summary>
    public static ImmutableArray<string> FortranRuntime { get; } = ["libquadmath.so.0", "libgfortran.so.5"];

    /// <summary>Finds the library's file.</summary>
    /// <exception cref="DllNotFoundException">There is none; the message says what to do.</exception>
    public static string Find()
    {
        string? chosen = Environment.GetEnvironmentVariable(PathVariable);
        if (!string.IsNullOrEmpty(chosen))
        {
            return File.Exists(chosen)
                ? Path.GetFullPath(chosen)
                : throw new DllNotFoundException($"{PathVariable} names '{chosen}', which is no file.");
        }

        string folder = Path.Combine(CacheFolder(), "openblas");
        return (Directory.Exists(folder) ? Directory.EnumerateDirectories(folder) : [])
            .Select(static version => Path.Combine(version, "lib", FileName))
            .Where(File.Exists)
            .Max(StringComparer.Ordinal)
            ?? throw new DllNotFoundException($"There is no OpenBLAS in {folder}. Run build/fetch-openblas.sh or set {PathVariable}.");
    }

    // The same rule as in build/common.sh.
    private static string CacheFolder()
    {
        if (Environment.GetEnvironmentVariable("NATIVEFFN_CACHE") is { } own && Path.IsPathFullyQualified(own))
        {
            return own;
        }

        string caches = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { } shared && Path.IsPathFullyQualified(shared)
            ? shared
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(caches, "nativeffn");
    }
}
