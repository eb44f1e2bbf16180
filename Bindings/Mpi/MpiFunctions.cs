using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Mpi;

/// <summary>mpi.h: the functions of MPI 3 that are used. Raw: <see cref="MpiLibrary"/> checks what they return.</summary>
/// <remarks>Handles are as wide as a pointer in some libraries and 32 bits in others; passed and kept as nint they fit both.</remarks>
internal sealed unsafe class MpiFunctions(NativeSymbols symbols)
{
    /// <summary>MPI_SUCCESS.</summary>
    public const int Success = 0;

    /// <summary>MPI_THREAD_SERIALIZED: any thread may call, one at a time.</summary>
    public const int ThreadSerialized = 2;

    /// <summary>The longest text of any library: MPI_MAX_LIBRARY_VERSION_STRING of MPICH.</summary>
    public const int MaxText = 8192;

    /// <summary>Bytes for an MPI_Status; the largest known has 40.</summary>
    public const int StatusBytes = 128;

    private const string Remedy = "Install MPI 3 or newer: Open MPI 4 or 5, or MPICH 4.";

    public readonly delegate* unmanaged<int*, int> MPI_Initialized = (delegate* unmanaged<int*, int>)symbols.Find(nameof(MPI_Initialized), Remedy);
    public readonly delegate* unmanaged<int*, int> MPI_Finalized = (delegate* unmanaged<int*, int>)symbols.Find(nameof(MPI_Finalized), Remedy);
    public readonly delegate* unmanaged<int> MPI_Finalize = (delegate* unmanaged<int>)symbols.Find(nameof(MPI_Finalize), Remedy);
    public readonly delegate* unmanaged<int*, int> MPI_Query_thread = (delegate* unmanaged<int*, int>)symbols.Find(nameof(MPI_Query_thread), Remedy);
    public readonly delegate* unmanaged<nint, int, int> MPI_Abort = (delegate* unmanaged<nint, int, int>)symbols.Find(nameof(MPI_Abort), Remedy);

    // (argc, argv, required, provided)
    public readonly delegate* unmanaged<int*, byte***, int, int*, int> MPI_Init_thread =
        (delegate* unmanaged<int*, byte***, int, int*, int>)symbols.Find(nameof(MPI_Init_thread), Remedy);

    public readonly delegate* unmanaged<byte*, int*, int> MPI_Get_library_version =
        (delegate* unmanaged<byte*, int*, int>)symbols.Find(nameof(MPI_Get_library_version), Remedy);
    public readonly delegate* unmanaged<int, byte*, int*, int> MPI_Error_string =
        (delegate* unmanaged<int, byte*, int*, int>)symbols.Find(nameof(MPI_Error_string), Remedy);
    public readonly delegate* unmanaged<nint, nint, int> MPI_Comm_set_errhandler =
        (delegate* unmanaged<nint, nint, int>)symbols.Find(nameof(MPI_Comm_set_errhandler), Remedy);
    public readonly delegate* unmanaged<nint, int*, int> MPI_Comm_rank =
        (delegate* unmanaged<nint, int*, int>)symbols.Find(nameof(MPI_Comm_rank), Remedy);
    public readonly delegate* unmanaged<nint, int*, int> MPI_Comm_size =
        (delegate* unmanaged<nint, int*, int>)symbols.Find(nameof(MPI_Comm_size), Remedy);

    // (communicator, new communicator, request)
    public readonly delegate* unmanaged<nint, nint*, nint*, int> MPI_Comm_idup =
        (delegate* unmanaged<nint, nint*, nint*, int>)symbols.Find(nameof(MPI_Comm_idup), Remedy);

    // (send, receive, count, type, operation, communicator, request)
    public readonly delegate* unmanaged<void*, void*, int, nint, nint, nint, nint*, int> MPI_Iallreduce =
        (delegate* unmanaged<void*, void*, int, nint, nint, nint, nint*, int>)symbols.Find(nameof(MPI_Iallreduce), Remedy);

    // (buffer, count, type, root, communicator, request)
    public readonly delegate* unmanaged<void*, int, nint, int, nint, nint*, int> MPI_Ibcast =
        (delegate* unmanaged<void*, int, nint, int, nint, nint*, int>)symbols.Find(nameof(MPI_Ibcast), Remedy);

    // (send, counts, displacements, type, receive, counts, displacements, type, communicator, request)
    public readonly delegate* unmanaged<void*, int*, int*, nint, void*, int*, int*, nint, nint, nint*, int> MPI_Ialltoallv =
        (delegate* unmanaged<void*, int*, int*, nint, void*, int*, int*, nint, nint, nint*, int>)symbols.Find(nameof(MPI_Ialltoallv), Remedy);

    public readonly delegate* unmanaged<nint, nint*, int> MPI_Ibarrier =
        (delegate* unmanaged<nint, nint*, int>)symbols.Find(nameof(MPI_Ibarrier), Remedy);

    // (buffer, count, type, destination, tag, communicator, request)
    public readonly delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int> MPI_Isend =
        (delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int>)symbols.Find(nameof(MPI_Isend), Remedy);

    // (buffer, count, type, source, tag, communicator, request)
    public readonly delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int> MPI_Irecv =
        (delegate* unmanaged<void*, int, nint, int, int, nint, nint*, int>)symbols.Find(nameof(MPI_Irecv), Remedy);

    // (request, done, status)
    public readonly delegate* unmanaged<nint*, int*, void*, int> MPI_Test =
        (delegate* unmanaged<nint*, int*, void*, int>)symbols.Find(nameof(MPI_Test), Remedy);
}
