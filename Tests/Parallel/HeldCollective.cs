using NativeFfn.Backends.Parallel;

namespace NativeFfn.Tests.Ranks;

/// <summary>
/// A rank whose operations under way end when the test says: at once, or as late as they may. Meanwhile their memory is NaN where nobody
/// may read it, and what is started and finished is written down.
/// </summary>
internal sealed unsafe class HeldCollective(ICollective inner, bool isEarly = false) : ICollective
{
    private readonly Queue<(string Name, Action End)> _underWay = [];
    private int _copies;
    private int _sums;

    /// <summary>What was started and finished, in order.</summary>
    public List<string> Log { get; } = [];

    /// <summary>Told before each entry of the log.</summary>
    public Action<string> Before { get; init; } = static _ => { };

    public string Description => inner.Description;

    public int Rank => inner.Rank;

    public int Ranks => inner.Ranks;

    public TimeSpan TimeLimit => inner.TimeLimit;

    public string? Failure => inner.Failure;

    public void Keep(IDisposable memory) => inner.Keep(memory);

    public void AllReduce(Span<float> values) => inner.AllReduce(values);

    public void Broadcast(Span<byte> bytes, int root, TimeSpan? timeLimit = null) => inner.Broadcast(bytes, root, timeLimit);

    public void AllToAll(ReadOnlySpan<byte> sent, ReadOnlySpan<int> sentBytes, Span<byte> received, ReadOnlySpan<int> receivedBytes) =>
        inner.AllToAll(sent, sentBytes, received, receivedBytes);

    public void StartAllReduce(float* values, int length)
    {
        Start($"sum {_sums++}", values, length, isRead: false, () =>
        {
            inner.StartAllReduce(values, length);
            inner.Finish();
        });
    }

    public void StartBroadcast(float* values, int length, int root)
    {
        Start($"copy {_copies++}", values, length, isRead: root == Rank, () =>
        {
            inner.StartBroadcast(values, length, root);
            inner.Finish();
        });
    }

    public void Finish()
    {
        (string name, Action end) = _underWay.Dequeue();
        Write($"end of {name}");
        end();
    }

    public void Barrier(TimeSpan? timeLimit = null) => inner.Barrier(timeLimit);

    public void Abort(string reason) => inner.Abort(reason);

    public void Dispose() => inner.Dispose();

    private void Start(string name, float* values, int length, bool isRead, Action operation)
    {
        Write(name);
        if (isEarly)
        {
            operation();
            _underWay.Enqueue((name, static () => { }));
            return;
        }

        float[] held = new Span<float>(values, length).ToArray();
        if (!isRead)
        {
            new Span<float>(values, length).Fill(float.NaN);
        }

        _underWay.Enqueue((name, End));

        void End()
        {
            held.CopyTo(new Span<float>(values, length));
            operation();
        }
    }

    private void Write(string entry)
    {
        Before(entry);
        Log.Add(entry);
    }
}
