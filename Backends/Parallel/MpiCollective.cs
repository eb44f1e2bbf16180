using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Bindings.Mpi;

namespace NativeFfn.Backends.Parallel;

/// <summary>The ranks of an MPI job. Operations are started and then asked after, so that a rank that does not come is noticed.</summary>
/// <remarks>Sums have the same bits from run to run while MPI chooses the same algorithm, which follows from ranks and lengths.</remarks>
internal sealed unsafe class MpiCollective : ICollective
{
    // MPI counts in 32 bits; pieces of a power of two below that keep alignment.
    private const int PieceElements = 1 << 28;

    private readonly MpiLibrary _library;
    private readonly nint _communicator;
    private readonly MpiPulse? _pulse;
    private readonly MpiPending _pending;
    private readonly List<IDisposable> _kept = [];

    // Small operations' bytes, and counts and places of an all-to-all: sent, received.
    private readonly NativeBuffer _memory;
    private string? _failure;

    private MpiCollective(MpiLibrary library, TimeSpan timeLimit)
    {
        (_library, TimeLimit) = (library, timeLimit);
        (int rank, int ranks) = (0, 0);
        nint communicator = 0;
        nint request = 0;
        using (library.Enter())
        {
            library.Check(library.Functions.MPI_Comm_rank(library.Abi.World, &rank));
            library.Check(library.Functions.MPI_Comm_size(library.Abi.World, &ranks));
            library.Check(library.Functions.MPI_Comm_idup(library.Abi.World, &communicator, &request));
        }

        (Rank, Ranks) = (rank, ranks);
        Wait(ref request, timeLimit);
        _communicator = communicator;
        using (library.Enter())
        {
            library.Check(library.Functions.MPI_Comm_set_errhandler(communicator, library.Abi.ErrorsReturn));
        }

        _memory = new NativeBuffer((ICollective.SmallBytes / sizeof(float)) + (4L * ranks), "Small messages between ranks");
        _pending = new MpiPending(library);
        _pulse = ranks == 1 ? null : new MpiPulse(library, communicator, rank, ranks, timeLimit, Fail, Progress);
    }

    /// <inheritdoc/>
    public string Description => $"{_library.Version} ({_library.Path})";

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Ranks { get; }

    /// <inheritdoc/>
    public TimeSpan TimeLimit { get; }

    /// <inheritdoc/>
    public string? Failure => Volatile.Read(ref _failure);

    private byte* Small => (byte*)_memory.Pointer;

    /// <summary>Joins the ranks of the MPI job; a process that no launcher started is one rank alone.</summary>
    /// <param name="path">The library; null looks in the usual places.</param>
    /// <param name="timeLimit">How long an operation waits for other ranks.</param>
    /// <exception cref="Bindings.NativeLibraryException">There is no usable MPI.</exception>
    public static MpiCollective Open(string? path, TimeSpan timeLimit) => new(MpiLibrary.Load(path), timeLimit);

    /// <inheritdoc/>
    public void Keep(IDisposable memory) => _kept.Add(memory);

    /// <inheritdoc/>
    public void AllReduce(Span<float> values)
    {
        if (values.Length * sizeof(float) <= ICollective.SmallBytes)
        {
            var small = new Span<float>(Small, values.Length);
            values.CopyTo(small);
            AllReduce((float*)Small, values.Length);
            small.CopyTo(values);
            return;
        }

        fixed (float* all = values)
        {
            AllReduce(all, values.Length);
        }
    }

    /// <inheritdoc/>
    public void Broadcast(Span<byte> bytes, int root, TimeSpan? timeLimit = null)
    {
        CollectiveArguments.RequireRank(root, Ranks);
        if (bytes.Length <= ICollective.SmallBytes)
        {
            var small = new Span<byte>(Small, bytes.Length);
            bytes.CopyTo(small);
            Broadcast(Small, bytes.Length, root, timeLimit);
            small.CopyTo(bytes);
            return;
        }

        fixed (byte* all = bytes)
        {
            Broadcast(all, bytes.Length, root, timeLimit);
        }
    }

    /// <inheritdoc/>
    public void AllToAll(ReadOnlySpan<byte> sent, ReadOnlySpan<int> sentBytes, Span<byte> received, ReadOnlySpan<int> receivedBytes)
    {
        CollectiveArguments.RequireCounts(sentBytes, sent.Length, Ranks, nameof(sentBytes));
        CollectiveArguments.RequireCounts(receivedBytes, received.Length, Ranks, nameof(receivedBytes));
        int* counts = (int*)(Small + ICollective.SmallBytes);
        Lay(sentBytes, counts, counts + Ranks);
        Lay(receivedBytes, counts + (2 * Ranks), counts + (3 * Ranks));
        if (sent.IsEmpty && received.IsEmpty)
        {
            // Open MPI leaves out a rank's part without a byte, does not count it, and takes the others' next one for another: a byte to itself.
            counts[Rank] = counts[(2 * Ranks) + Rank] = 1;
            AllToAll(Small, Small + 1, counts);
            return;
        }

        if (sent.Length + (long)received.Length <= ICollective.SmallBytes)
        {
            var small = new Span<byte>(Small, sent.Length + received.Length);
            sent.CopyTo(small);
            AllToAll(Small, Small + sent.Length, counts);
            small[sent.Length..].CopyTo(received);
            return;
        }

        fixed (byte* send = sent, receive = received)
        {
            AllToAll(send, receive, counts);
        }
    }

    /// <inheritdoc/>
    public void StartAllReduce(float* values, int length)
    {
        CollectiveArguments.RequirePlace(_pending.Count);
        nint request = 0;
        using (Enter())
        {
            _library.Check(_library.Functions.MPI_Iallreduce(
                (void*)_library.Abi.InPlace, values, length, _library.Abi.Float, _library.Abi.Sum, _communicator, &request));
            _pending.Add(request);
            _pending.Progress();
        }

        _pulse?.Hurry();
    }

    /// <inheritdoc/>
    public void StartBroadcast(float* values, int length, int root)
    {
        CollectiveArguments.RequireRank(root, Ranks);
        CollectiveArguments.RequirePlace(_pending.Count);
        nint request = 0;
        using (Enter())
        {
            _library.Check(_library.Functions.MPI_Ibcast(values, length, _library.Abi.Float, root, _communicator, &request));
            _pending.Add(request);
            _pending.Progress();
        }

        _pulse?.Hurry();
    }

    /// <inheritdoc/>
    public void Finish()
    {
        CollectiveArguments.RequireStarted(_pending.Count);
        var wait = new RankWait(TimeLimit);
        while (!TryFinish())
        {
            Pause(ref wait, TimeLimit);
        }
    }

    /// <inheritdoc/>
    public void Barrier(TimeSpan? timeLimit = null)
    {
        nint request = 0;
        using (Enter())
        {
            _library.Check(_library.Functions.MPI_Ibarrier(_communicator, &request));
        }

        Wait(ref request, timeLimit ?? TimeLimit);
    }

    /// <inheritdoc/>
    /// <remarks>Other ranks are told at once, and the end of this process ends them.</remarks>
    public void Abort(string reason) => Fail($"Rank {Rank} gave up: {reason}");

    /// <inheritdoc/>
    /// <remarks>The communicator stays: freeing it is a meeting of all ranks, and the process has few of them.</remarks>
    public void Dispose()
    {
        _pulse?.Dispose();
        if (Failure is null)
        {
            _kept.ForEach(static memory => memory.Dispose());
            _memory.Dispose();
        }
        else
        {
            // By design: MPI may write to it as long as the process lives, which is not for long.
            _library.Keep(this);
        }
    }

    private void Fail(string reason)
    {
        if (Interlocked.CompareExchange(ref _failure, reason, null) is null)
        {
            _library.Lose();
            _pulse?.GiveUp(reason);
        }
    }

    private void AllReduce(float* values, int length)
    {
        for (int first = 0; first < length; first += PieceElements)
        {
            nint request = 0;
            using (Enter())
            {
                _library.Check(_library.Functions.MPI_Iallreduce(
                    (void*)_library.Abi.InPlace, values + first, Math.Min(length - first, PieceElements), _library.Abi.Float, _library.Abi.Sum,
                    _communicator, &request));
            }

            Wait(ref request, TimeLimit);
        }
    }

    private void Broadcast(byte* bytes, int length, int root, TimeSpan? timeLimit)
    {
        for (int first = 0; first < length; first += PieceElements)
        {
            nint request = 0;
            using (Enter())
            {
                _library.Check(_library.Functions.MPI_Ibcast(
                    bytes + first, Math.Min(length - first, PieceElements), _library.Abi.Byte, root, _communicator, &request));
            }

            Wait(ref request, timeLimit ?? TimeLimit);
        }
    }

    private void AllToAll(byte* sent, byte* received, int* counts)
    {
        nint request = 0;
        using (Enter())
        {
            _library.Check(_library.Functions.MPI_Ialltoallv(
                sent, counts, counts + Ranks, _library.Abi.Byte,
                received, counts + (2 * Ranks), counts + (3 * Ranks), _library.Abi.Byte, _communicator, &request));
        }

        Wait(ref request, TimeLimit);
    }

    private static void Lay(ReadOnlySpan<int> bytes, int* counts, int* starts)
    {
        int start = 0;
        for (int rank = 0; rank < bytes.Length; rank++)
        {
            (counts[rank], starts[rank]) = (bytes[rank], start);
            start += bytes[rank];
        }
    }

    private Lock.Scope Enter() => Failure is { } failure ? throw new CollectiveFailedException(failure) : _library.Enter();

    private bool IsDone(ref nint request)
    {
        using (Enter())
        {
            return _library.IsDone(ref request);
        }
    }

    // What was started is the library's until it is done: where it never is, the process cannot go on with MPI, and its memory stays.
    private void Wait(ref nint request, TimeSpan limit)
    {
        var wait = new RankWait(limit);
        while (!IsDone(ref request))
        {
            Pause(ref wait, limit);
        }
    }

    private bool TryFinish()
    {
        using (Enter())
        {
            return _pending.TryFinish();
        }
    }

    // Whether operations are under way; for the pulse, inside of MPI.
    private bool Progress()
    {
        bool isBusy = Failure is null && _pending.Count > 0;
        if (isBusy)
        {
            _pending.Progress();
        }

        return isBusy;
    }

    private void Pause(ref RankWait wait, TimeSpan limit)
    {
        if (!wait.TryPause())
        {
            Fail(_pulse?.SilentRank is { } silent ? MpiPulse.Silence(silent, limit) : RankWait.Late(Rank, limit));
            throw new CollectiveFailedException(Failure!);
        }
    }
}
