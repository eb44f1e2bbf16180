using System.Globalization;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Nccl;

/// <summary>NCCL, resolved. Immutable and safe for use by several threads at once.</summary>
internal sealed unsafe class NcclLibrary
{
    /// <summary>NCCL 2.14, as the library writes versions since 2.9: 10000 · major + 100 · minor + patch.</summary>
    public const int OldestVersion = 21400;

    private const string Remedy =
        "Install NCCL 2.14 or newer for the CUDA at hand (Debian and Ubuntu: libnccl2, Python: nvidia-nccl-cu12, as PyTorch has it), or "
        + "name a libnccl file or folder by the NcclPath option (--nccl-path) or " + NcclSearch.PathVariable + ".";

    /// <summary>Resolves every function; starts nothing, so that no GPU is needed yet.</summary>
    /// <exception cref="NativeLibraryException">A function is missing, or the library is too old.</exception>
    public NcclLibrary(NativeSymbols symbols)
    {
        Functions = new NcclFunctions(symbols);
        Path = symbols.Path;
        int version = 0;
        Check(Functions.ncclGetVersion(&version), nameof(NcclFunctions.ncclGetVersion));
        Version = Text(version);
        if (version < OldestVersion)
        {
            throw new NativeLibraryException($"{Path} is NCCL {Version}; {Text(OldestVersion)} or newer is needed.", [], Remedy);
        }
    }

    /// <summary>The library's functions.</summary>
    public NcclFunctions Functions { get; }

    /// <summary>The library's file.</summary>
    public string Path { get; }

    /// <summary>Such as 2.22.3.</summary>
    public string Version { get; }

    /// <summary>Finds and loads it, for good.</summary>
    /// <param name="configuredPath">A file or folder to use and no other; null looks in the usual locations.</param>
    /// <exception cref="NativeLibraryException">It was not found, or cannot be used.</exception>
    public static NcclLibrary Load(string? configuredPath) => new(
        CudaLoader.Load(NcclSearch.Candidates(configuredPath), Libraries.NcclFiles, NcclSearch.Symbol, "NCCL", Remedy));

    /// <summary>Makes what ranks find each other by; the rank that makes it has to join them.</summary>
    /// <exception cref="NcclException">The library refuses, for want of a network among others.</exception>
    public NcclUniqueId CreateUniqueId()
    {
        NcclUniqueId id;
        Check(Functions.ncclGetUniqueId(&id), nameof(NcclFunctions.ncclGetUniqueId));
        return id;
    }

    /// <summary>Begins to join ranks; <see cref="NcclCommunicator.IsReady"/> says when all have come.</summary>
    /// <param name="context">The primary context of this rank's GPU, which no other rank has.</param>
    /// <param name="ranks">Ranks; positive.</param>
    /// <param name="id">The same on all of them.</param>
    /// <param name="rank">This one, from 0.</param>
    /// <exception cref="NcclException">The library refuses.</exception>
    public NcclCommunicator Join(CudaContext context, int ranks, in NcclUniqueId id, int rank) => new(this, context, ranks, id, rank);

    /// <summary>Turns an error into an exception that names the function.</summary>
    /// <param name="status">What the function answered, or was found to end with.</param>
    /// <param name="function">The function.</param>
    internal void Check(int status, string function)
    {
        if (status != NcclStatus.Success)
        {
            // The last error is of the whole library; it takes a communicator and does not look at it.
            string last = Text(Functions.ncclGetLastError(0)).Trim();
            throw new NcclException(function, status, Text(Functions.ncclGetErrorString(status)), last);
        }
    }

    private static string Text(int version) =>
        string.Create(CultureInfo.InvariantCulture, $"{version / 10000}.{version / 100 % 100}.{version % 100}");

    private static string Text(byte* utf8) => Marshal.PtrToStringUTF8((nint)utf8) ?? string.Empty;
}
