using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Cblas;

/// <summary>The locations where a CBLAS library is looked for.</summary>
internal static class CblasSearch
{
    /// <summary>Names a file or folder of a CBLAS library, used and no other.</summary>
    public const string PathVariable = "NATIVEFFN_CBLAS";

    /// <summary>Whether a library is named, by an option or in the environment.</summary>
    /// <param name="configuredPath">What the option names; null where it names nothing.</param>
    public static bool IsNamed(string? configuredPath) =>
        configuredPath is not null || Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 };

    /// <summary>The locations in order. A configured path, or else one in the environment, is the only one.</summary>
    /// <remarks>A library that the application has loaded is none of them: its threads are the application's to set.</remarks>
    public static IEnumerable<LibraryCandidate> Candidates(string? configuredPath)
    {
        string[] files = Libraries.CblasFiles;
        return LibraryCandidate.Configured(
            configuredPath, PathVariable, (place, path) => LibraryCandidate.FileOrFolder(place, path, files)) is { } only
            ? [only]
            :
            [
                .. LibraryCandidate.Application(files),
                .. LibraryCandidate.Cache("build/fetch-cblas.sh", "openblas", files),
                .. LibraryCandidate.Cache("build/fetch-cblas.sh", "blis", files),
                .. LibraryCandidate.SystemLoader(files),
            ];
    }
}
