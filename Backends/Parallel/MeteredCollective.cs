using System.Diagnostics;

namespace NativeFfn.Backends.Parallel;

/// <summary>Counts what operations of a group take.</summary>
/// <param name="inner">What does them; owned.</param>
internal sealed unsafe class MeteredCollective(ICollective inner) : ICollective
{
    private long _operations;
    private long _bytes;
    private long _time;

    /// <summary>What they took so far; read from any thread.</summary>
    public FfnCollectiveTotals Totals =>
        new(Volatile.Read(ref _operations), Volatile.Read(ref _bytes), TimeSpan.FromTicks(Volatile.Read(ref _time)));

    /// <inheritdoc/>
    public string Description => inner.Description;

    /// <inheritdoc/>
    public int Rank => inner.Rank;

    /// <inheritdoc/>
    public int Ranks => inner.Ranks;

    /// <inheritdoc/>
    public TimeSpan TimeLimit => inner.TimeLimit;

    /// <inheritdoc/>
    public string? Failure => inner.Failure;

    /// <inheritdoc/>
    public void Keep(IDisposable memory) => inner.Keep(memory);

    /// <inheritdoc/>
    public void AllReduce(Span<float> values)
    {
        long start = Stopwatch.GetTimestamp();
        inner.AllReduce(values);
        Count((long)values.Length * sizeof(float), start);
    }

    /// <inheritdoc/>
    public void Broadcast(Span<byte> bytes, int root, TimeSpan? timeLimit = null)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Broadcast(bytes, root, timeLimit);
        if (timeLimit is null)
        {
            Count(bytes.Length, start);
        }
    }

    /// <inheritdoc/>
    public void AllToAll(ReadOnlySpan<byte> sent, ReadOnlySpan<int> sentBytes, Span<byte> received, ReadOnlySpan<int> receivedBytes)
    {
        long start = Stopwatch.GetTimestamp();
        inner.AllToAll(sent, sentBytes, received, receivedBytes);
        Count((long)sent.Length + received.Length, start);
    }

    /// <inheritdoc/>
    public void StartAllReduce(float* values, int length)
    {
        long start = Stopwatch.GetTimestamp();
        inner.StartAllReduce(values, length);
        Count((long)length * sizeof(float), start);
    }

    /// <inheritdoc/>
    public void StartBroadcast(float* values, int length, int root)
    {
        long start = Stopwatch.GetTimestamp();
        inner.StartBroadcast(values, length, root);
        Count((long)length * sizeof(float), start);
    }

    /// <inheritdoc/>
    /// <remarks>What an operation took while this rank computed is not counted: nobody waited for it.</remarks>
    public void Finish()
    {
        long start = Stopwatch.GetTimestamp();
        inner.Finish();
        Count(0, 0, Stopwatch.GetElapsedTime(start));
    }

    /// <inheritdoc/>
    public void Barrier(TimeSpan? timeLimit = null) => inner.Barrier(timeLimit);

    /// <inheritdoc/>
    public void Abort(string reason) => inner.Abort(reason);

    /// <inheritdoc/>
    public void Dispose() => inner.Dispose();

    /// <summary>Copies rank 0's rows to all others, in pieces: spans count in 32 bits.</summary>
    public void BroadcastRows(float* rows, long elements)
    {
        for (long first = 0; first < elements; first += int.MaxValue / sizeof(float))
        {
            int count = (int)Math.Min(elements - first, int.MaxValue / sizeof(float));
            Broadcast(new Span<byte>(rows + first, count * sizeof(float)), root: 0);
        }
    }

    /// <summary>rows = Σ over ranks of their rows, likewise.</summary>
    public void AllReduceRows(float* rows, long elements)
    {
        for (long first = 0; first < elements; first += int.MaxValue / sizeof(float))
        {
            AllReduce(new Span<float>(rows + first, (int)Math.Min(elements - first, int.MaxValue / sizeof(float))));
        }
    }

    /// <summary>Counts operations that went another way. One thread at a time is in here.</summary>
    public void Count(int operations, long bytes, TimeSpan time)
    {
        Volatile.Write(ref _time, _time + time.Ticks);
        Volatile.Write(ref _bytes, _bytes + bytes);
        Volatile.Write(ref _operations, _operations + operations);
    }

    private void Count(long bytes, long start) => Count(1, bytes, Stopwatch.GetElapsedTime(start));
}
