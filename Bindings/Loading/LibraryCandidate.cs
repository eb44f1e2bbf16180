using System.Runtime.InteropServices;

namespace NativeFfn.Bindings.Loading;

/// <summary>A place and the files in it that may be the library, best first; a name without a folder is left to the system's loader.</summary>
/// <param name="Place">Why it is looked for there, such as an option or an environment variable.</param>
/// <param name="Location">The file, folder or name.</param>
/// <param name="Files">Files that are there.</param>
/// <param name="Problem">Why the place is not looked at, or null.</param>
internal readonly record struct LibraryCandidate(string Place, string Location, string[] Files, string? Problem = null)
{
    /// <summary>The place that a setting names and no other is tried beside, or null where neither names one.</summary>
    public static LibraryCandidate? Configured(string? configuredPath, string variable, Func<string, string, LibraryCandidate> candidate) =>
        configuredPath is not null ? candidate("configured path", configuredPath)
        : System.Environment.GetEnvironmentVariable(variable) is { Length: > 0 } path
            ? Absolute(variable, path) ?? candidate($"environment variable {variable}", path)
            : null;

    /// <summary>A folder's files of some names, in the names' order.</summary>
    public static LibraryCandidate Folder(string place, string folder, string[] names) => new(place, folder, FilesIn([folder], names));

    /// <summary>A file, or a folder's files of some names.</summary>
    public static LibraryCandidate FileOrFolder(string place, string path, string[] names) =>
        Directory.Exists(path) ? Folder(place, path, names) : new LibraryCandidate(place, path, [Path.GetFullPath(path)]);

    /// <summary>The file of a library that the process has, if it has one.</summary>
    public static IEnumerable<LibraryCandidate> AlreadyLoaded(string[] names, string symbol) =>
        DynamicLinker.FindLoaded(names, symbol) is { } loaded ? [new LibraryCandidate("already in the process", loaded, [loaded])] : [];

    /// <summary>The application's folder, and where NuGet packages put their native files.</summary>
    public static IEnumerable<LibraryCandidate> Application(string[] names) =>
    [
        Folder("application folder", AppContext.BaseDirectory, names),
        Folder("application's runtimes folder", Path.Combine(AppContext.BaseDirectory, "runtimes", PortableRuntime, "native"), names),
    ];

    /// <summary>Folders below the one that an environment variable names, if it is set.</summary>
    public static IEnumerable<LibraryCandidate> Environment(string variable, string[] folders, string[] names) =>
        System.Environment.GetEnvironmentVariable(variable) is { Length: > 0 } root
            ? Absolute(variable, root) is { } refused
                ? [refused]
                : folders.Select(folder => Folder($"environment variable {variable}", Path.Combine(root, folder), names))
            : [];

    /// <summary>The refusal of a relative path in the environment, whose meaning the current folder would decide; null for an absolute one.</summary>
    public static LibraryCandidate? Absolute(string variable, string path) => Path.IsPathFullyQualified(path)
        ? null
        : new LibraryCandidate($"environment variable {variable}", path, [], "not an absolute path, so it is ignored");

    /// <summary>Every version that a script has fetched, the newest first.</summary>
    public static IEnumerable<LibraryCandidate> Cache(string script, string library, string[] names)
    {
        if (!UserCache.TryFind(out string? folder, out string? problem))
        {
            return [new LibraryCandidate($"cache of {script}", library, [], problem)];
        }

        string cache = Path.Combine(folder, library);
        string[] versions = Directory.Exists(cache) ? Directory.GetDirectories(cache) : [];
        return versions.Length == 0
            ? [Folder($"cache of {script}", cache, names)]
            : versions.OrderDescending(StringComparer.Ordinal)
                .Select(version => Folder($"cache of {script}", Path.Combine(version, "lib"), names));
    }

    /// <summary>The names alone.</summary>
    public static IEnumerable<LibraryCandidate> SystemLoader(string[] names) =>
        names.Select(static name => new LibraryCandidate("system's loader", name, [name]));

    /// <summary>Files of some names in some folders, in the names' order.</summary>
    public static string[] FilesIn(IReadOnlyList<string> folders, string[] names) =>
        [.. names.SelectMany(name => folders.Select(folder => Path.GetFullPath(Path.Combine(folder, name)))).Where(File.Exists)];

    /// <summary>The first library that loads, or null.</summary>
    /// <param name="candidates">The locations in order.</param>
    /// <param name="names">What to say was missing where a place has nothing.</param>
    /// <param name="tryLoad">Loads a file, or says what is wrong with it.</param>
    /// <param name="attempts">Gets every place that had no usable library.</param>
    public static T? First<T>(
        IEnumerable<LibraryCandidate> candidates, string[] names, Func<string, (T? Library, string? Problem)> tryLoad,
        List<LibraryAttempt> attempts)
        where T : class
    {
        foreach (LibraryCandidate candidate in candidates)
        {
            if (candidate.Files.Length == 0)
            {
                attempts.Add(new LibraryAttempt(candidate.Place, candidate.Location, candidate.Problem ?? $"no {string.Join(", ", names)} there"));
            }

            foreach (string file in candidate.Files)
            {
                (T? library, string? problem) = tryLoad(file);
                if (library is not null)
                {
                    return library;
                }

                attempts.Add(new LibraryAttempt(candidate.Place, file, problem!));
            }
        }

        return null;
    }

    /// <summary>The file that a link leads to in the end.</summary>
    public static string RealPath(string file) => new FileInfo(file).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? file;

    // Where NuGet packages put their files for this system: linux-x64 and its like.
    private static string PortableRuntime =>
        (OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux")
        + (RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "-arm64" : "-x64");
}
