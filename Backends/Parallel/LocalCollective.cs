using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Parallel;

/// <summary>Ranks that are threads of one process: they read each other's memory, and meet between reading and writing.</summary>
/// <remarks>
/// Sums are added in the order of ranks. Waiting threads sleep. What is started is done where it is finished: nobody but the ranks' own threads
/// could do it meanwhile.
/// </remarks>
internal sealed unsafe class LocalCollective : ICollective
{
    private readonly Group _group;
    private readonly List<IDisposable> _kept = [];
    private readonly Queue<Started> _started = new(ICollective.MostPending);

    private LocalCollective(Group group, int rank) => (_group, Rank) = (group, rank);

    /// <inheritdoc/>
    public string Description => "threads of this process";

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Ranks => _group.Posts.Length;

    /// <inheritdoc/>
    public TimeSpan TimeLimit => _group.TimeLimit;

    /// <inheritdoc/>
    public string? Failure => _group.Failure;

    /// <inheritdoc/>
    public void Keep(IDisposable memory) => _kept.Add(memory);

    /// <summary>A group of ranks; one thread at a time uses each.</summary>
    /// <param name="ranks">Ranks; positive.</param>
    /// <param name="timeLimit">How long an operation waits for other ranks.</param>
    public static LocalCollective[] Create(int ranks, TimeSpan timeLimit)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ranks);
        var group = new Group(ranks, timeLimit);
        return [.. Enumerable.Range(0, ranks).Select(rank => new LocalCollective(group, rank))];
    }

    /// <inheritdoc/>
    public void AllReduce(Span<float> values)
    {
        fixed (float* own = values)
        {
            Post(Operation.AllReduce, own, values.Length);
            (int first, int end) = (SliceStart(values.Length, Rank), SliceStart(values.Length, Rank + 1));
            for (int i = first; i < end; i++)
            {
                float sum = ((float*)_group.Posts[0].Memory)[i];
                for (int rank = 1; rank < Ranks; rank++)
                {
                    sum += ((float*)_group.Posts[rank].Memory)[i];
                }

                own[i] = sum;
            }

            _group.Meet(TimeLimit, thenReads: true);
            for (int rank = 0; rank < Ranks; rank++)
            {
                (first, end) = (SliceStart(values.Length, rank), SliceStart(values.Length, rank + 1));
                if (rank != Rank)
                {
                    new ReadOnlySpan<float>((float*)_group.Posts[rank].Memory + first, end - first).CopyTo(values[first..end]);
                }
            }

            _group.Meet(TimeLimit, thenReads: false);
        }
    }

    /// <inheritdoc/>
    public void Broadcast(Span<byte> bytes, int root, TimeSpan? timeLimit = null)
    {
        CollectiveArguments.RequireRank(root, Ranks);
        fixed (byte* own = bytes)
        {
            Post(Operation.Broadcast, own, bytes.Length, timeLimit);
            if (Rank != root)
            {
                new ReadOnlySpan<byte>(_group.Posts[root].Memory, bytes.Length).CopyTo(bytes);
            }

            _group.Meet(TimeLimit, thenReads: false);
        }
    }

    /// <inheritdoc/>
    public void AllToAll(ReadOnlySpan<byte> sent, ReadOnlySpan<int> sentBytes, Span<byte> received, ReadOnlySpan<int> receivedBytes)
    {
        CollectiveArguments.RequireCounts(sentBytes, sent.Length, Ranks, nameof(sentBytes));
        CollectiveArguments.RequireCounts(receivedBytes, received.Length, Ranks, nameof(receivedBytes));
        fixed (byte* own = sent)
        fixed (int* counts = sentBytes)
        {
            _group.Posts[Rank].Counts = counts;
            Post(Operation.AllToAll, own, 0);
            for (int rank = 0; rank < Ranks; rank++)
            {
                ref readonly Entry post = ref _group.Posts[rank];
                if (post.Counts[Rank] != receivedBytes[rank])
                {
                    throw Fail($"rank {rank} sends rank {Rank} {post.Counts[Rank]} bytes, but {receivedBytes[rank]} were expected");
                }

                byte* part = (byte*)post.Memory;
                for (int other = 0; other < Rank; other++)
                {
                    part += post.Counts[other];
                }

                new ReadOnlySpan<byte>(part, receivedBytes[rank]).CopyTo(received);
                received = received[receivedBytes[rank]..];
            }

            _group.Meet(TimeLimit, thenReads: false);
        }
    }

    /// <inheritdoc/>
    public void StartAllReduce(float* values, int length) => Start(new Started(Operation.AllReduce, (nint)values, length, 0));

    /// <inheritdoc/>
    public void StartBroadcast(float* values, int length, int root)
    {
        CollectiveArguments.RequireRank(root, Ranks);
        Start(new Started(Operation.Broadcast, (nint)values, length, root));
    }

    /// <inheritdoc/>
    public void Finish()
    {
        CollectiveArguments.RequireStarted(_started.Count);
        Started oldest = _started.Dequeue();
        var values = new Span<float>((void*)oldest.Values, oldest.Length);
        if (oldest.Operation == Operation.AllReduce)
        {
            AllReduce(values);
        }
        else
        {
            Broadcast(MemoryMarshal.AsBytes(values), oldest.Root);
        }
    }

    /// <inheritdoc/>
    public void Barrier(TimeSpan? timeLimit = null) => Post(Operation.Barrier, null, 0, timeLimit);

    /// <inheritdoc/>
    public void Abort(string reason) => _group.Fail($"Rank {Rank} gave up: {reason}");

    /// <inheritdoc/>
    /// <remarks>Nobody writes to another rank's memory, so it is freed after a failure, too.</remarks>
    public void Dispose() => _kept.ForEach(static memory => memory.Dispose());

    private void Start(Started operation)
    {
        CollectiveArguments.RequirePlace(_started.Count);
        _started.Enqueue(operation);
    }

    private int SliceStart(int length, int rank) => (int)((long)length * rank / Ranks);

    // Says what this rank does and waits until all have; they must do the same.
    private void Post(Operation operation, void* memory, int length, TimeSpan? timeLimit = null)
    {
        ref Entry own = ref _group.Posts[Rank];
        (own.Operation, own.Length) = (operation, length);
        own.Memory = memory;
        _group.Meet(timeLimit ?? TimeLimit, thenReads: true);
        for (int rank = 0; rank < Ranks; rank++)
        {
            ref readonly Entry other = ref _group.Posts[rank];
            if (other.Operation != operation || other.Length != length)
            {
                throw Fail($"rank {rank} is in {other.Operation} of {other.Length}, rank {Rank} in {operation} of {length}");
            }
        }

        // Nobody may post anew before all have looked.
        if (operation == Operation.Barrier)
        {
            _group.Meet(TimeLimit, thenReads: false);
        }
    }

    private CollectiveFailedException Fail(string problem) => _group.FailReading($"Ranks disagree: {problem}.");

    private enum Operation
    {
        Barrier,
        AllReduce,
        Broadcast,
        AllToAll,
    }

    private readonly record struct Started(Operation Operation, nint Values, int Length, int Root);

    private struct Entry
    {
        public Operation Operation;
        public int Length;
        public void* Memory;
        public int* Counts;
    }

    // After a meeting all ranks may read each other's memory until they come to the next one, and nobody leaves with an error before: what a
    // rank had posted is its caller's again then.
    private sealed class Group(int ranks, TimeSpan timeLimit)
    {
        private readonly object _lock = new();
        private int _arrived;
        private int _reading;
        private long _round;
        private volatile string? _failure;

        public string? Failure => _failure;

        public Entry[] Posts { get; } = new Entry[ranks];

        public TimeSpan TimeLimit => timeLimit;

        public void Meet(TimeSpan limit, bool thenReads)
        {
            lock (_lock)
            {
                StopReading();
                ThrowIfFailed();
                long round = _round;
                if (++_arrived == Posts.Length)
                {
                    _arrived = 0;
                    _round++;
                    _reading = thenReads ? Posts.Length : 0;
                    Monitor.PulseAll(_lock);
                    return;
                }

                long deadline = limit == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)limit.TotalMilliseconds;
                while (_round == round)
                {
                    ThrowIfFailed();
                    long left = deadline - Environment.TickCount64;
                    if (left > 0)
                    {
                        Monitor.Wait(_lock, (int)Math.Min(left, int.MaxValue));
                    }
                    else
                    {
                        Set($"{Posts.Length - _arrived} of {Posts.Length} ranks did not come within {limit.TotalSeconds:0.###} s.");
                    }
                }
            }
        }

        public void Fail(string reason)
        {
            lock (_lock)
            {
                Set(reason);
            }
        }

        public CollectiveFailedException FailReading(string reason)
        {
            lock (_lock)
            {
                StopReading();
                Set(reason);
                WaitForReaders();
                return new CollectiveFailedException(_failure!);
            }
        }

        private void Set(string reason)
        {
            _failure ??= reason;
            Monitor.PulseAll(_lock);
        }

        private void StopReading()
        {
            if (_reading > 0 && --_reading == 0)
            {
                Monitor.PulseAll(_lock);
            }
        }

        private void ThrowIfFailed()
        {
            if (_failure is not null)
            {
                WaitForReaders();
                throw new CollectiveFailedException(_failure);
            }
        }

        // Reading never waits.
        private void WaitForReaders()
        {
            while (_reading > 0)
            {
                Monitor.Wait(_lock);
            }
        }
    }
}
