using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Nccl;

/// <summary>nccl.h: the functions that are used, all of them there since NCCL 2.14. Raw: nothing is proven here.</summary>
/// <remarks>Communicators, streams and device memory are nint, size_t is nuint, ncclResult_t is int.</remarks>
internal sealed unsafe class NcclFunctions(NativeSymbols symbols)
{
    private const string Remedy = "Install NCCL 2.14 or newer.";

    public readonly delegate* unmanaged<int*, int> ncclGetVersion =
        (delegate* unmanaged<int*, int>)symbols.Find(nameof(ncclGetVersion), Remedy);
    public readonly delegate* unmanaged<int, byte*> ncclGetErrorString =
        (delegate* unmanaged<int, byte*>)symbols.Find(nameof(ncclGetErrorString), Remedy);
    public readonly delegate* unmanaged<nint, byte*> ncclGetLastError =
        (delegate* unmanaged<nint, byte*>)symbols.Find(nameof(ncclGetLastError), Remedy);
    public readonly delegate* unmanaged<NcclUniqueId*, int> ncclGetUniqueId =
        (delegate* unmanaged<NcclUniqueId*, int>)symbols.Find(nameof(ncclGetUniqueId), Remedy);

    // (communicator, ranks, id, rank, configuration)
    public readonly delegate* unmanaged<nint*, int, NcclUniqueId, int, NcclConfig*, int> ncclCommInitRankConfig =
        (delegate* unmanaged<nint*, int, NcclUniqueId, int, NcclConfig*, int>)symbols.Find(nameof(ncclCommInitRankConfig), Remedy);

    public readonly delegate* unmanaged<nint, int*, int> ncclCommGetAsyncError =
        (delegate* unmanaged<nint, int*, int>)symbols.Find(nameof(ncclCommGetAsyncError), Remedy);
    public readonly delegate* unmanaged<nint, int> ncclCommFinalize =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(ncclCommFinalize), Remedy);
    public readonly delegate* unmanaged<nint, int> ncclCommDestroy =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(ncclCommDestroy), Remedy);
    public readonly delegate* unmanaged<nint, int> ncclCommAbort =
        (delegate* unmanaged<nint, int>)symbols.Find(nameof(ncclCommAbort), Remedy);

    // (send, receive, count, type, operation, communicator, stream)
    public readonly delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int> ncclAllReduce =
        (delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int>)symbols.Find(nameof(ncclAllReduce), Remedy);

    // (send, receive, count, type, root, communicator, stream)
    public readonly delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int> ncclBroadcast =
        (delegate* unmanaged<nint, nint, nuint, int, int, nint, nint, int>)symbols.Find(nameof(ncclBroadcast), Remedy);
}
