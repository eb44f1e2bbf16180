using NativeFfn.Bindings.Mpi;

namespace NativeFfn.Backends.Parallel;

/// <summary>The ranks of an MPI job. Operations are started and then asked after, so that a rank that does not come is noticed.</summary>
/// <remarks>
/// Waiting threads spin at first, as what they wait for mostly takes less than waking them would; then they sleep. Sums have the same bits
/// from run to run as long as MPI chooses the same algorithm, which follows from ranks and lengths.
/// </remarks>
internal sealed unsafe class MpiCollective : ICollective
{
    // MPI counts in 32 bits; pieces of a power of two below that keep alignment.
    private const int PieceElements = 1 << 28;

    // Tests of a request before others get the processor, and milliseconds of that before the thread sleeps in between.
    private const int SpinTests = 200;
    private const long YieldMilliseconds = 20;

    private readonly MpiLibrary _library;
    private readonly nint _communicator;
    private readonly int[] _sentCounts;
    private readonly int[] _sentStarts;
    private readonly int[] _receivedCounts;
    private readonly int[] _receivedStarts;
    private volatile string? _failure;

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
        Wait(&request, timeLimit);
        _communicator = communicator;
        using (library.Enter())
        {
            library.Check(library.Functions.MPI_Comm_set_errhandler(communicator, library.Abi.ErrorsReturn));
        }

        (_sentCounts, _sentStarts) = (new int[ranks], new int[ranks]);
        (_receivedCounts, _receivedStarts) = (new int[ranks], new int[ranks]);
    }

    /// <inheritdoc/>
    public string Description => $"{_library.Version} ({_library.Path})";

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Ranks { get; }

    /// <inheritdoc/>
    public TimeSpan TimeLimit { get; }

    /// <summary>Joins the ranks of the MPI job; a process that no launcher started is one rank alone.</summary>
    /// <param name="path">The library; null looks in the usual places.</param>
    /// <param name="timeLimit">How long an operation waits for other ranks.</param>
    /// <exception cref="Bindings.NativeLibraryException">There is no usable MPI.</exception>
    public static MpiCollective Open(string? path, TimeSpan timeLimit) => new(MpiLibrary.Load(path), timeLimit);

    /// <inheritdoc/>
    public void AllReduce(Span<float> values)
    {
        fixed (float* all = values)
        {
            for (int first = 0; first < values.Length; first += PieceElements)
            {
                nint request = 0;
                using (Enter())
                {
                    _library.Check(_library.Functions.MPI_Iallreduce(
                        (void*)_library.Abi.InPlace, all + first, Math.Min(values.Length - first, PieceElements),
                        _library.Abi.Float, _library.Abi.Sum, _communicator, &request));
                }

                Wait(&request, TimeLimit);
            }
        }
    }

    /// <inheritdoc/>
    public void Broadcast(Span<byte> bytes, int root, TimeSpan? timeLimit = null)
    {
        CollectiveArguments.RequireRank(root, Ranks);
        fixed (byte* all = bytes)
        {
            for (int first = 0; first < bytes.Length; first += PieceElements)
            {
                nint request = 0;
                using (Enter())
                {
                    _library.Check(_library.Functions.MPI_Ibcast(
                        all + first, Math.Min(bytes.Length - first, PieceElements), _library.Abi.Byte, root, _communicator, &request));
                }

                Wait(&request, timeLimit ?? TimeLimit);
            }
        }
    }

    /// <inheritdoc/>
    public void AllToAll(ReadOnlySpan<byte> sent, ReadOnlySpan<int> sentBytes, Span<byte> received, ReadOnlySpan<int> receivedBytes)
    {
        CollectiveArguments.RequireCounts(sentBytes, sent.Length, Ranks, nameof(sentBytes));
        CollectiveArguments.RequireCounts(receivedBytes, received.Length, Ranks, nameof(receivedBytes));
        Lay(sentBytes, _sentCounts, _sentStarts);
        Lay(receivedBytes, _receivedCounts, _receivedStarts);
        fixed (byte* send = sent, receive = received)
        fixed (int* sentCounts = _sentCounts, sentStarts = _sentStarts, receivedCounts = _receivedCounts, receivedStarts = _receivedStarts)
        {
            nint request = 0;
            using (Enter())
            {
                _library.Check(_library.Functions.MPI_Ialltoallv(
                    send, sentCounts, sentStarts, _library.Abi.Byte, receive, receivedCounts, receivedStarts, _library.Abi.Byte,
                    _communicator, &request));
            }

            Wait(&request, TimeLimit);
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

        Wait(&request, timeLimit ?? TimeLimit);
    }

    /// <inheritdoc/>
    /// <remarks>Other ranks learn of it when this process ends, which ends them, or when their time limit has passed.</remarks>
    public void Abort(string reason)
    {
        _failure ??= $"Rank {Rank} gave up: {reason}";
        _library.Lose();
    }

    /// <inheritdoc/>
    /// <remarks>The communicator stays: freeing it is a meeting of all ranks, and the process has few of them.</remarks>
    public void Dispose()
    {
    }

    private static void Lay(ReadOnlySpan<int> bytes, int[] counts, int[] starts)
    {
        int start = 0;
        for (int rank = 0; rank < bytes.Length; rank++)
        {
            (counts[rank], starts[rank]) = (bytes[rank], start);
            start += bytes[rank];
        }
    }

    private Lock.Scope Enter() => _failure is { } failure ? throw new CollectiveFailedException(failure) : _library.Enter();

    // What was started is the library's until it is done: where it never is, the process cannot go on with MPI.
    private void Wait(nint* request, TimeSpan limit)
    {
        byte* status = stackalloc byte[MpiFunctions.StatusBytes];
        long start = Environment.TickCount64;
        long most = limit == Timeout.InfiniteTimeSpan ? long.MaxValue : (long)limit.TotalMilliseconds;
        for (int tests = 0; ; tests++)
        {
            int done = 0;
            using (Enter())
            {
                _library.Check(_library.Functions.MPI_Test(request, &done, status));
            }

            if (done != 0)
            {
                return;
            }

            if (tests < SpinTests)
            {
                Thread.SpinWait(1);
                continue;
            }

            long waited = Environment.TickCount64 - start;
            if (waited > most)
            {
                Abort($"another rank did not come within {limit.TotalSeconds:0.###} s; it is stuck, or was stopped.");
                throw new CollectiveFailedException(_failure!);
            }

            if (waited < YieldMilliseconds)
            {
                Thread.Yield();
            }
            else
            {
                Thread.Sleep(1);
            }
        }
    }
}
