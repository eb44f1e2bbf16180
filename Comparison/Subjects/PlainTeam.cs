namespace NativeFfn.Comparison.Subjects;

/// <summary>Threads that wait for the next piece of work, spinning for a while before they sleep: what a careful user of a BLAS without
/// threads writes.</summary>
/// <remarks>For one caller at a time.</remarks>
internal sealed class PlainTeam : IDisposable
{
    // The most that the event takes; some tens of microseconds.
    private const int SpinCount = 2047;

    private readonly Thread[] _workers;
    private readonly ManualResetEventSlim[] _starts;
    private readonly CountdownEvent _running = new(0);
    private Action<int>? _work;

    /// <summary>Starts the threads.</summary>
    /// <param name="threads">Threads that work, the caller's included.</param>
    public PlainTeam(int threads)
    {
        _starts = [.. Enumerable.Range(1, threads - 1).Select(static _ => new ManualResetEventSlim(false, SpinCount))];
        _workers = [.. Enumerable.Range(1, threads - 1).Select(index => new Thread(() => Serve(index)) { IsBackground = true })];
        Array.ForEach(_workers, static worker => worker.Start());
    }

    /// <summary>Calls <paramref name="work"/> on every thread with its number, from 0, and waits for all of them.</summary>
    public void Run(Action<int> work)
    {
        _work = work;
        _running.Reset(_starts.Length);
        Array.ForEach(_starts, static start => start.Set());
        work(0);
        _running.Wait();
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        _work = null;
        Array.ForEach(_starts, static start => start.Set());
        Array.ForEach(_workers, static worker => worker.Join());
        Array.ForEach(_starts, static start => start.Dispose());
        _running.Dispose();
    }

    private void Serve(int index)
    {
        ManualResetEventSlim start = _starts[index - 1];
        while (true)
        {
            start.Wait();
            start.Reset();
            if (_work is not { } work)
            {
                return;
            }

            work(index);
            _running.Signal();
        }
    }
}
