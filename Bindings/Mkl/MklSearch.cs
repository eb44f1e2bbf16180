using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Mkl;

/// <summary>The places where MKL's single library is looked for.</summary>
internal static class MklSearch
{
    /// <summary>Names a file or folder of libmkl_rt, used and no other.</summary>
    public const string PathVariable = "NATIVEFFN_MKL";

    /// <summary>The places in order. A configured path, or else one in the environment, is the only one.</summary>
    public static IEnumerable<LibraryCandidate> Candidates(string? configuredPath) =>
        LibraryCandidate.Configured(configuredPath, PathVariable) is var (place, path)
            ? [LibraryCandidate.FileOrFolder(place, path, Libraries.MklRtFiles)]
            : UsualPlaces();

    private static IEnumerable<LibraryCandidate> UsualPlaces()
    {
        string[] files = Libraries.MklRtFiles;
        IEnumerable<LibraryCandidate> places =
        [
            .. LibraryCandidate.AlreadyLoaded(files, "cblas_sgemm"),
            .. LibraryCandidate.Application(files),
            .. LibraryCandidate.Environment("MKLROOT", ["lib", Path.Combine("lib", "intel64")], files),
        ];
        if (OperatingSystem.IsLinux())
        {
            places = places.Append(LibraryCandidate.Folder("oneAPI", "/opt/intel/oneapi/mkl/latest/lib", files));
        }

        return [.. places, .. LibraryCandidate.Cache("build/fetch-mkl.sh", "mkl", files), .. LibraryCandidate.SystemLoader(files)];
    }
}
