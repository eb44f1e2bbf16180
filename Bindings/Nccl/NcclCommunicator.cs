using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Bindings.Nccl;

/// <summary>ncclComm_t: this rank among others, each with a GPU of its own. For one thread at a time, with its context entered.</summary>
/// <remarks>
/// No call waits for other ranks: after each one <see cref="IsReady"/> is asked until it says yes. One that is disposed without having been
/// finished aborts what still runs on the device.
/// </remarks>
internal sealed unsafe class NcclCommunicator : CudaResource
{
    private readonly NcclLibrary _library;
    private string _call = nameof(NcclFunctions.ncclCommInitRankConfig);
    private bool _isFinishing;
    private bool _isFinished;

    internal NcclCommunicator(NcclLibrary library, CudaContext context, int ranks, in NcclUniqueId id, int rank)
        : base(context, CudaKind.NcclCommunicator)
    {
        _library = library;
        NcclConfig config = NcclConfig.NonBlocking;
        using CudaContext.Scope scope = context.Enter();
        nint made = 0;
        int status = library.Functions.ncclCommInitRankConfig(&made, ranks, id, rank, &config);
        if (made != 0)
        {
            Own(made);
        }

        try
        {
            Accept(status, nameof(NcclFunctions.ncclCommInitRankConfig));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether the last call is done on the host's side: what it queued may still run.</summary>
    /// <exception cref="NcclException">It failed, or something that was queued did.</exception>
    public bool IsReady
    {
        get
        {
            int state = NcclStatus.InProgress;
            _library.Check(_library.Functions.ncclCommGetAsyncError(Handle, &state), nameof(NcclFunctions.ncclCommGetAsyncError));
            if (state == NcclStatus.InProgress)
            {
                return false;
            }

            _library.Check(state, _call);
            _isFinished = _isFinishing;
            return true;
        }
    }

    /// <summary>Queues rows = Σ over ranks of their rows, on every rank.</summary>
    /// <param name="rows">Of float32, as many on every rank; not empty.</param>
    /// <param name="stream">Of the communicator's context.</param>
    public void AllReduce(DeviceRegion rows, CudaStream stream)
    {
        Prove(rows, stream);
        Accept(
            _library.Functions.ncclAllReduce(
                rows.Address, rows.Address, Elements(rows), (int)NcclDataType.Float32, (int)NcclReduction.Sum, Handle, stream.Handle),
            nameof(NcclFunctions.ncclAllReduce));
    }

    /// <summary>Queues the copying of a rank's rows to all others.</summary>
    /// <param name="rows">Of float32, as many on every rank; not empty.</param>
    /// <param name="root">The rank that has them.</param>
    /// <param name="stream">Of the communicator's context.</param>
    public void Broadcast(DeviceRegion rows, int root, CudaStream stream)
    {
        Prove(rows, stream);
        Accept(
            _library.Functions.ncclBroadcast(
                rows.Address, rows.Address, Elements(rows), (int)NcclDataType.Float32, root, Handle, stream.Handle),
            nameof(NcclFunctions.ncclBroadcast));
    }

    /// <summary>Begins to leave; all ranks do, and <see cref="IsReady"/> says when they have. Nothing but the disposal follows.</summary>
    public void Finish()
    {
        _isFinishing = true;
        Accept(_library.Functions.ncclCommFinalize(Handle), nameof(NcclFunctions.ncclCommFinalize));
    }

    // A failure has nobody who could be told: the ranks are apart, or are being torn apart for a reason that is told already.

    /// <inheritdoc/>
    protected override void Free(nint made) =>
        _ = _isFinished ? _library.Functions.ncclCommDestroy(made) : _library.Functions.ncclCommAbort(made);

    private static nuint Elements(DeviceRegion rows) => (nuint)(rows.Bytes / sizeof(float));

    private void Prove(DeviceRegion rows, CudaStream stream)
    {
        if (rows.Bytes == 0 || rows.Bytes % sizeof(float) != 0 || rows.Address % sizeof(float) != 0)
        {
            throw new ArgumentException($"{rows.Bytes} bytes at 0x{rows.Address:x} are no rows of float32.", nameof(rows));
        }

        if (stream.Context != Context)
        {
            throw new ArgumentException("Communicator and stream are of different contexts.", nameof(stream));
        }
    }

    private void Accept(int status, string call)
    {
        _call = call;
        if (status != NcclStatus.InProgress)
        {
            _library.Check(status, call);
        }
    }
}
