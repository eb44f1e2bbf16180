using Microsoft.Extensions.Time.Testing;
using NativeFfn.Hosting;
using NativeFfn.Hosting.Batching;
using NativeFfn.Hosting.Serving;
using NativeFfn.Hosting.Telemetry;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>
/// A queue with its runners on one thread and a clock of its own, driven by a seed. What happens while a forward runs is done from within
/// it, so that every interleaving of calls, cancellations, deadlines, failures and the end can be had again.
/// </summary>
internal sealed class QueueModel : IDisposable
{
    private const int Capacity = 24;
    private const int MaxTokens = 7;
    private const int MaxBatchTokens = 8;

    private readonly Random _random;
    private readonly FakeTimeProvider _time = new();
    private readonly FfnMetrics _metrics = new(factory: null);
    private readonly ServedLayer[] _layers;
    private readonly RequestQueue _queue;
    private readonly RequestDispatcher _dispatcher;
    private readonly Stack<BatchRunner> _runners = new();
    private readonly List<Sent> _sent = [];
    private readonly int _processors;
    private bool _closed;
    private int _batches;

    public QueueModel(int seed, FfnLayer first, FfnLayer second)
    {
        _random = new Random(seed);
        _processors = _random.Next(1, 4);
        var root = new FairShare(1, parent: null);
        _layers = [.. new[] { first, second }.Select((layer, index) =>
        {
            var model = new FairShare(1 + index, root);
            return new ServedLayer(
                new FfnLayerInfo($"{index}/0", $"{index}", 0, layer.Spec, layer.WeightBytes), layer, "model", MaxBatchTokens,
                mayRunDirect: _random.Next(4) > 0, new FairShare(1, model));
        })];
        var options = new FfnBatchingOptions { QueueCapacityTokens = Capacity, MaxBatchTokens = MaxBatchTokens };
        _queue = new RequestQueue(options, _processors, _time, _metrics);
        var execution = new LayerExecution(static exception => Assert.Fail($"{exception}")) { Forward = Forward };
        _dispatcher = new RequestDispatcher(_queue, execution, _time, _metrics);
        for (int i = 0; i < _processors; i++)
        {
            _runners.Push(new BatchRunner(_queue, execution, new BatchBuffer(MaxBatchTokens, 0), _time, _metrics));
        }
    }

    private IEnumerable<Sent> Waiting => _sent.Where(static sent => sent.State == State.Waiting);

    /// <summary>Does so many things at random, then lets everything come to its end.</summary>
    public void Run(int steps)
    {
        for (int i = 0; i < steps; i++)
        {
            Step();
        }

        _closed = true;
        _queue.Close(new FfnUnavailableException("over"));
        while (RunOne())
        {
        }

        Settle();
        Assert.That(_sent.Where(static sent => sent.State != State.Done), Is.Empty, "every request has its answer");
        Assert.That(_layers.Select(static layer => layer.RetireAsync().IsCompleted), Has.All.True, "nobody holds a layer");
        Assert.That(_queue.WaitingTokens, Is.Zero);
    }

    public void Dispose()
    {
        _queue.Dispose();
        _metrics.Dispose();
    }

    private void Step()
    {
        switch (_random.Next(12))
        {
            case < 6:
                Submit();
                break;
            case < 8:
                Cancel();
                break;
            case < 9:
                Advance();
                break;
            case < 11:
                RunOne();
                break;
            default:
                End();
                break;
        }

        Settle();
        Assert.That(_queue.WaitingTokens, Is.EqualTo(Waiting.Sum(static sent => sent.Tokens)).And.AtMost(Capacity));
    }

    private void Submit()
    {
        ServedLayer layer = _layers[_random.Next(2)];
        var priority = (FfnPriority)_random.Next(-1, 2);
        int tokens = _random.Next(1, MaxTokens + 1);
        TimeSpan deadline = _random.Next(3) == 0 ? TimeSpan.FromMilliseconds(_random.Next(1, 30)) : Timeout.InfiniteTimeSpan;
        DateTimeOffset deadlineAt = deadline < TimeSpan.Zero ? DateTimeOffset.MaxValue : _time.GetUtcNow() + deadline;
        var sent = new Sent(_sent.Count, layer, priority, tokens, deadlineAt);
        _sent.Add(sent);
        sent.Input.AsSpan().Fill(sent.Id);
        Assert.That(
            _dispatcher.TrySubmit(
                layer.Queue(FfnMode.Ffn, priority), sent.Input, sent.Output, tokens, deadline, sent.Cancellation.Token,
                out ValueTask answer),
            Is.True);
        sent.Answer = answer;
        sent.IsSent = true;
    }

    private void Cancel()
    {
        if (_sent.Count > 0)
        {
            Sent sent = _sent[_random.Next(Math.Max(0, _sent.Count - 10), _sent.Count)];
            sent.IsCancelled |= sent.State == State.Waiting;
            sent.Cancellation.Cancel();
        }
    }

    private void Advance()
    {
        _time.Advance(TimeSpan.FromMilliseconds(_random.Next(1, 10)));
        Settle();
        Assert.That(Waiting.Where(sent => sent.IsSent && sent.DeadlineAt <= _time.GetUtcNow()), Is.Empty, "told when they pass");
    }

    private bool RunOne()
    {
        if (!_runners.TryPop(out BatchRunner? runner))
        {
            return false;
        }

        _batches++;
        bool ran = runner.TryRunOne();
        _batches--;
        _runners.Push(runner);
        return ran;
    }

    private void End()
    {
        // Rarely: most of what can happen happens before.
        if (_random.Next(10) == 0 && !_closed)
        {
            _closed = true;
            if (_random.Next(2) == 0)
            {
                _queue.Close(new FfnUnavailableException("closed"));
            }
            else
            {
                int waiting = Waiting.Count(static sent => sent.IsSent);
                Assert.That(_queue.Abort(new FfnUnavailableException("aborted")), Is.EqualTo(waiting));
            }
        }
    }

    private void Forward(FfnLayer layer, FfnMode mode, ReadOnlySpan<float> input, Span<float> output)
    {
        int width = layer.Spec.InputWidth;
        Sent[] runs = [.. Ids(input, width).Select(id => _sent[id])];
        foreach (Sent sent in runs)
        {
            Assert.That(sent.State, Is.EqualTo(sent.Retries ? State.Running : State.Waiting), "each runs once");
            Assert.That((sent.Layer.Layer, sent.IsCancelled), Is.EqualTo((layer, false)));
            Assert.That(sent.Retries || sent.DeadlineAt > _time.GetUtcNow(), Is.True, "nothing runs that is too late");
            sent.State = State.Running;
        }

        // Nobody that waits longer for the same with the same priority, and nobody with a higher one where a batch was taken.
        if (!runs[0].Retries)
        {
            Assert.That(
                Waiting.Where(sent => sent.IsSent && Array.Exists(
                    runs, run => (run.Layer, run.Priority) == (sent.Layer, sent.Priority) && run.Id > sent.Id)),
                Is.Empty);
            Assert.That(runs[0].IsSent && Waiting.Any(sent => sent.IsSent && sent.Priority > runs[0].Priority), Is.False);
        }

        Assert.That(_batches, Is.AtMost(_processors));
        float[] ids = input.ToArray();
        for (int i = _random.Next(3); i > 0; i--)
        {
            Step();
        }

        if (_random.Next(8) == 0)
        {
            Array.ForEach(runs, static sent => sent.Retries = true);
            Array.ForEach(runs, sent => sent.Fails |= runs.Length == 1);
            throw new InsufficientMemoryException("at random");
        }

        Assert.That(input.SequenceEqual(ids), Is.True, "a running request's rows are its own");
        ids.CopyTo(output);
    }

    // Takes the answers that have come and holds them against what had to happen.
    private void Settle()
    {
        foreach (Sent sent in _sent.Where(static sent => sent.IsSent && sent.State != State.Done && sent.Answer.IsCompleted))
        {
            Exception? failure = null;
            try
            {
                sent.Answer.GetAwaiter().GetResult();
            }
            catch (Exception exception)
            {
                failure = exception;
            }

            string why = $"request {sent.Id}: {failure?.Message}";
            switch (failure)
            {
                case null:
                    Assert.That((sent.State, sent.Fails), Is.EqualTo((State.Running, false)), why);
                    Assert.That(sent.Output, Has.All.EqualTo(sent.Id), why);
                    break;
                case InsufficientMemoryException:
                    Assert.That(sent.Fails, Is.True, why);
                    break;
                case OperationCanceledException:
                    Assert.That((sent.State, sent.IsCancelled), Is.EqualTo((State.Waiting, true)), why);
                    break;
                case FfnDeadlineException:
                    Assert.That(sent.State == State.Waiting && sent.DeadlineAt <= _time.GetUtcNow(), Is.True, why);
                    break;
                case FfnQueueFullException:
                    Assert.That(sent.State, Is.EqualTo(State.Waiting), why);
                    break;
                default:
                    Assert.That((failure is FfnUnavailableException, sent.State, _closed), Is.EqualTo((true, State.Waiting, true)), why);
                    break;
            }

            sent.State = State.Done;
        }

        Assert.That(Waiting.Where(static sent => sent.IsSent && sent.IsCancelled), Is.Empty, "cancelled requests leave at once");
    }

    private static List<int> Ids(ReadOnlySpan<float> input, int width)
    {
        var ids = new List<int>();
        for (int first = 0; first < input.Length; first += width)
        {
            if (ids.Count == 0 || ids[^1] != (int)input[first])
            {
                ids.Add((int)input[first]);
            }
        }

        return ids;
    }

    private enum State
    {
        Waiting,
        Running,
        Done,
    }

    private sealed class Sent(int id, ServedLayer layer, FfnPriority priority, int tokens, DateTimeOffset deadlineAt)
    {
        public int Id => id;

        public ServedLayer Layer => layer;

        public FfnPriority Priority => priority;

        public int Tokens => tokens;

        public DateTimeOffset DeadlineAt => deadlineAt;

        public float[] Input { get; } = new float[tokens * layer.Info.Spec.InputWidth];

        public float[] Output { get; } = new float[tokens * layer.Info.Spec.OutputWidth];

        public CancellationTokenSource Cancellation { get; } = new();

        public ValueTask Answer { get; set; }

        public State State { get; set; }

        /// <summary>Whether the call has returned: one that runs on its caller's thread runs before.</summary>
        public bool IsSent { get; set; }

        public bool IsCancelled { get; set; }

        /// <summary>Whether a forward with it failed, so that it is run once more where it was not alone.</summary>
        public bool Retries { get; set; }

        public bool Fails { get; set; }
    }
}
