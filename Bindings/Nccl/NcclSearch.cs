using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Nccl;

/// <summary>The locations where NCCL is looked for: those of CUDA's toolkit, with NVIDIA's Python packages, as PyTorch brings them.</summary>
internal static class NcclSearch
{
    /// <summary>Names a file or folder of NCCL, used and no other.</summary>
    public const string PathVariable = "NATIVEFFN_NCCL";

    /// <summary>A function that NCCL exports.</summary>
    public const string Symbol = "ncclCommInitRankConfig";

    /// <summary>The locations in order. A configured path, or else one in the environment, is the only one.</summary>
    public static IEnumerable<LibraryCandidate> Candidates(string? configuredPath) =>
        LibraryCandidate.Configured(
            configuredPath, PathVariable,
            static (place, path) => LibraryCandidate.FileOrFolder(place, path, Libraries.NcclFiles)) is { } only
            ? [only]
            : CudaSearch.Usual(Libraries.NcclFiles, Symbol);
}
