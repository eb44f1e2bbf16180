using System.Collections.Concurrent;
using System.Threading.Tasks.Sources;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas;

/// <summary>Tells asynchronous forwards that the device is done with them: one thread waits for one after the other, on behalf of all callers.</summary>
/// <remarks>
/// A function that the driver calls back would not be called where the device fails; an event that is waited for always answers. The thread
/// is started by the first asynchronous forward.
/// </remarks>
internal sealed class DeviceCompletions : IDisposable
{
    private readonly CudaContext _context;
    private readonly ConcurrentQueue<LaneCompletion> _waiting = new();
    private readonly SemaphoreSlim _count = new(0);
    private readonly Lock _starting = new();
    private Thread? _thread;

    public DeviceCompletions(CudaContext context) => _context = context;

    /// <summary>Waits for what was queued on a lane so far; its context is entered.</summary>
    /// <exception cref="CudaException">The event cannot be recorded.</exception>
    public ValueTask WaitFor(DeviceLane lane)
    {
        Start();
        ValueTask waiting = lane.Completion.Begin(lane.Stream);
        _waiting.Enqueue(lane.Completion);
        _count.Release();
        return waiting;
    }

    /// <summary>Ends the thread. Nobody waits any more.</summary>
    public void Dispose()
    {
        if (_thread is null)
        {
            _count.Dispose();
            return;
        }

        // Nothing is queued behind this: the thread disposes of the rest.
        _count.Release();
    }

    private void Start()
    {
        if (Volatile.Read(ref _thread) is not null)
        {
            return;
        }

        lock (_starting)
        {
            if (_thread is null)
            {
                var thread = new Thread(WaitInTurn) { IsBackground = true, Name = "NativeFfn completions" };
                thread.Start();
                Volatile.Write(ref _thread, thread);
            }
        }
    }

    private void WaitInTurn()
    {
        while (true)
        {
            _count.Wait();
            if (!_waiting.TryDequeue(out LaneCompletion? completion))
            {
                _count.Dispose();
                return;
            }

            completion.End(_context);
        }
    }
}

/// <summary>One lane's wait at a time, reused.</summary>
internal sealed class LaneCompletion(CudaContext context) : IValueTaskSource, IDisposable
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

    /// <summary>Waits on this thread, and tells the caller.</summary>
    public void End(CudaContext context)
    {
        try
        {
            using (context.Enter())
            {
                _done.Synchronize();
            }
        }
        catch (CudaException failure)
        {
            _source.SetException(failure);
            return;
        }

        _source.SetResult(true);
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
