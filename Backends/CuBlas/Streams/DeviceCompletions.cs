using System.Collections.Concurrent;
using System.Threading.Tasks.Sources;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Streams;

/// <summary>Tells asynchronous forwards that the device is done with them, by threads that wait on behalf of all callers.</summary>
/// <remarks>
/// A function that the driver calls back would not be called where the device fails; an event that is waited for always answers. There are
/// as many threads as forwards were ever out at a time, so that none waits behind a longer one; the first asynchronous forward starts the first.
/// </remarks>
internal sealed class DeviceCompletions : IDisposable
{
    // Forwards that are out at a time, each on a slot and with a thread of its own; more wait here for their turn, without a thread.
    private const int MostForwards = 16;

    private readonly CudaContext _context;
    private readonly ConcurrentQueue<SlotCompletion> _waiting = new();
    private readonly SemaphoreSlim _count = new(0);
    private readonly SemaphoreSlim _turns = new(MostForwards);
    private readonly Lock _starting = new();
    private int _outstanding;
    private int _threads;

    public DeviceCompletions(CudaContext context) => _context = context;

    /// <summary>Waits for a turn: forwards beyond a bound wait for others rather than for memory.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public Task EnterAsync(CancellationToken cancellationToken) => _turns.WaitAsync(cancellationToken);

    /// <summary>Gives the turn to the next.</summary>
    public void Leave() => _turns.Release();

    /// <summary>Waits for what was queued on a slot so far; its context is entered.</summary>
    /// <exception cref="CudaException">The event cannot be recorded.</exception>
    public ValueTask WaitFor(StreamSlot slot)
    {
        ValueTask waiting = slot.Completion.Begin(slot.Stream);
        if (Interlocked.Increment(ref _outstanding) > Volatile.Read(ref _threads))
        {
            Start();
        }

        _waiting.Enqueue(slot.Completion);
        _count.Release();
        return waiting;
    }

    /// <summary>Ends the threads. Nobody waits any more.</summary>
    public void Dispose()
    {
        _turns.Dispose();
        if (_threads == 0)
        {
            _count.Dispose();
            return;
        }

        // Nothing is queued behind this: the last of the threads disposes of the rest.
        _count.Release(_threads);
    }

    private void Start()
    {
        lock (_starting)
        {
            if (_threads < Math.Min(Volatile.Read(ref _outstanding), MostForwards))
            {
                new Thread(WaitInTurn) { IsBackground = true, Name = "NativeFfn completions" }.Start();
                Volatile.Write(ref _threads, _threads + 1);
            }
        }
    }

    private void WaitInTurn()
    {
        while (true)
        {
            _count.Wait();
            if (!_waiting.TryDequeue(out SlotCompletion? completion))
            {
                if (Interlocked.Decrement(ref _threads) == 0)
                {
                    _count.Dispose();
                }

                return;
            }

            Exception? failure = completion.Wait(_context);

            // Before the caller is told, who may come back at once.
            Interlocked.Decrement(ref _outstanding);
            completion.Tell(failure);
        }
    }
}

/// <summary>One slot's wait at a time, reused.</summary>
internal sealed class SlotCompletion(CudaContext context) : IValueTaskSource, IDisposable
{
    private readonly CudaEvent _done = context.CreateEvent(timing: false);

    // Continuations are the callers' code, and must not hold up the thread that tells everybody.
    private ManualResetValueTaskSourceCore<bool> _source = new() { RunContinuationsAsynchronously = true };

    /// <summary>Begins a wait for what was queued on a stream so far.</summary>
    public ValueTask Begin(CudaStream stream)
    {
        _source.Reset();
        stream.Record(_done);
        return new ValueTask(this, _source.Version);
    }

    /// <summary>Waits on this thread.</summary>
    /// <returns>What failed, if anything did.</returns>
    public Exception? Wait(CudaContext context)
    {
        try
        {
            using (context.Enter())
            {
                _done.Synchronize();
            }

            return null;
        }
        catch (Exception failure)
        {
            // Whatever it is, the caller is told of it: on this thread it would end the process.
            return failure;
        }
    }

    /// <summary>Tells the caller.</summary>
    public void Tell(Exception? failure)
    {
        if (failure is null)
        {
            _source.SetResult(true);
        }
        else
        {
            _source.SetException(failure);
        }
    }

    /// <inheritdoc/>
    public void GetResult(short token) => _source.GetResult(token);

    /// <inheritdoc/>
    public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

    /// <inheritdoc/>
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    /// <inheritdoc/>
    public void Dispose() => _done.Dispose();
}
