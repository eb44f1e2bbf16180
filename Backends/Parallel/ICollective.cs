namespace NativeFfn.Backends.Parallel;

/// <summary>What ranks do together: every rank of a group calls the same operations in the same order, one thread at a time.</summary>
/// <remarks>
/// An operation that a rank does not join within the time limit, and one of a group that was aborted, throws
/// <see cref="CollectiveFailedException"/>; from then on every operation does. Nothing is allocated.
/// <para>
/// An operation that failed was started, and a library may still write to its memory: what is larger than <see cref="SmallBytes"/> is unmanaged
/// and given to <see cref="Keep"/>, which frees it no more then. Smaller memory may be anywhere.
/// </para>
/// </remarks>
internal unsafe interface ICollective : IDisposable
{
    /// <summary>Bytes of an operation that are copied, so that their memory may be the caller's stack.</summary>
    const int SmallBytes = 4096;

    /// <summary>Operations that may be under way at a time.</summary>
    const int MostPending = FfnEngineOptions.MaxParallelChunks;

    /// <summary>Who carries the data: a library's version, or threads of this process.</summary>
    string Description { get; }

    /// <summary>This rank, from 0.</summary>
    int Rank { get; }

    /// <summary>Ranks; at least 1.</summary>
    int Ranks { get; }

    /// <summary>How long an operation waits for other ranks.</summary>
    TimeSpan TimeLimit { get; }

    /// <summary>What the group failed of; null where it has not. It becomes known without an operation, too.</summary>
    string? Failure { get; }

    /// <summary>Takes over memory of operations: it is freed with this rank's part of the group, and never where that has failed.</summary>
    /// <param name="memory">The memory.</param>
    void Keep(IDisposable memory);

    /// <summary>values = Σ over ranks of their values, on every rank; the same bits from run to run.</summary>
    /// <param name="values">As many on every rank.</param>
    void AllReduce(Span<float> values);

    /// <summary>Copies a rank's bytes to all others.</summary>
    /// <param name="bytes">As many on every rank.</param>
    /// <param name="root">The rank that has them.</param>
    /// <param name="timeLimit">How long to wait for other ranks; null for <see cref="TimeLimit"/>, and for ever where infinite.</param>
    void Broadcast(Span<byte> bytes, int root, TimeSpan? timeLimit = null);

    /// <summary>Sends each rank a part of the bytes, and receives one from each; a rank's own part too.</summary>
    /// <param name="sent">The parts for ranks 0, 1, …, one behind the other.</param>
    /// <param name="sentBytes">Bytes of each; one count a rank.</param>
    /// <param name="received">Receives the parts of ranks 0, 1, …, one behind the other.</param>
    /// <param name="receivedBytes">Bytes of each, which the rank that sends them must agree on; one count a rank.</param>
    void AllToAll(ReadOnlySpan<byte> sent, ReadOnlySpan<int> sentBytes, Span<byte> received, ReadOnlySpan<int> receivedBytes);

    /// <summary>
    /// Starts values = Σ over ranks of their values, and returns at once: it is over when <see cref="Finish"/> was called as often as operations were
    /// started until then. Others may be started meanwhile, <see cref="MostPending"/> at a time, and no operation that is not started so.
    /// </summary>
    /// <param name="values">Unmanaged memory that was given to <see cref="Keep"/>, however small, and that nobody touches meanwhile.</param>
    /// <param name="length">As many on every rank.</param>
    /// <exception cref="InvalidOperationException">There are too many under way.</exception>
    void StartAllReduce(float* values, int length);

    /// <summary>Starts to copy a rank's values to all others, likewise.</summary>
    /// <param name="values">Memory as above; the rank that has the values may read them meanwhile.</param>
    /// <param name="length">As many on every rank.</param>
    /// <param name="root">The rank that has them.</param>
    /// <exception cref="InvalidOperationException">There are too many under way.</exception>
    void StartBroadcast(float* values, int length, int root);

    /// <summary>Returns when the oldest operation under way is over.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    void Finish();

    /// <summary>Returns when every rank has come here.</summary>
    /// <param name="timeLimit">How long to wait for them; null for <see cref="TimeLimit"/>.</param>
    void Barrier(TimeSpan? timeLimit = null);

    /// <summary>Releases all ranks with an error, now and later. Safe to call from any thread, and again.</summary>
    /// <param name="reason">A sentence on what happened.</param>
    void Abort(string reason);
}
