using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Mkl;

/// <summary>The locations where MKL's single library is looked for.</summary>
internal static class MklSearch
{
    /// <summary>Names a file or folder of libmkl_rt, used and no other.</summary>
    public const string PathVariable = "NATIVEFFN_MKL";

    /// <summary>The locations in order. A configured path, or else one in the environment, is the only one.</summary>
    public static IEnumerable<LibraryCandidate> Candidates(string? configuredPath) =>
        LibraryCandidate.Configured(
            configuredPath, PathVariable, static (place, path) => LibraryCandidate.FileOrFolder(place, path, Libraries.MklRtFiles)) is { } only
            ? [only]
            : UsualLocations();

    private static IEnumerable<LibraryCandidate> UsualLocations()
    {
        string[] files = Libraries.MklRtFiles;
        IEnumerable<LibraryCandidate> locations =
        [
            .. LibraryCandidate.AlreadyLoaded(files, "cblas_sgemm"),
            .. LibraryCandidate.Application(files),
            .. LibraryCandidate.Environment("MKLROOT", ["lib", Path.Combine("lib", "intel64")], files),
        ];
        if (OperatingSystem.IsLinux())
        {
            locations = locations.Append(LibraryCandidate.Folder("oneAPI", "/opt/intel/oneapi/mkl/latest/lib", files));
        }

        return [.. locations, .. LibraryCandidate.Cache("build/fetch-mkl.sh", "mkl", files), .. LibraryCandidate.SystemLoader(files)];
    }
}
