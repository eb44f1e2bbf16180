using System.Diagnostics;

namespace NativeFfn.Bench.Subjects;

/// <summary>
/// Threads that wait for the next piece of work, spinning for a while before they sleep: what a careful user of a BLAS without threads writes.
/// </summary>
/// <remarks>
/// For one caller at a time. Waiting does not yield: a thread that yields looks busy and is left on the processor of the one that it waits for.
/// </remarks>
internal sealed class PlainTeam : IDisposable
{
    // Pauses between two looks, well below a microsecond in all.
    private const int PausesPerLook = 8;

    private readonly TimeSpan _patience;
    private readonly Thread[] _workers;
    private readonly SemaphoreSlim[] _wakeUps;
    private readonly bool[] _asleep;
    private Action<int>? _work;
    private int _round;
    private int _running;

    /// <summary>Starts the threads.</summary>
    /// <param name="threads">Threads that work, the caller's included.</param>
    /// <param name="patience">How long a thread spins before it sleeps; zero where a library's own threads need the processor.</param>
    public PlainTeam(int threads, TimeSpan patience)
    {
        _patience = patience;
        _asleep = new bool[threads - 1];
        _wakeUps = [.. Enumerable.Range(0, threads - 1).Select(static _ => new SemaphoreSlim(0))];
        _workers = [.. Enumerable.Range(0, threads - 1).Select(index => new Thread(() => Serve(index)) { IsBackground = true })];
        Array.ForEach(_workers, static worker => worker.Start());
    }

    /// <summary>Calls <paramref name="work"/> on every thread with its number, from 0, and waits for all of them.</summary>
    public void Run(Action<int> work)
    {
        Start(work);
        work(0);
        while (Volatile.Read(ref _running) > 0)
        {
            Thread.SpinWait(PausesPerLook);
        }
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        Start(null);
        Array.ForEach(_workers, static worker => worker.Join());
        Array.ForEach(_wakeUps, static wakeUp => wakeUp.Dispose());
    }

    private void Start(Action<int>? work)
    {
        _work = work;
        _running = _workers.Length;
        Interlocked.Increment(ref _round);
        for (int index = 0; index < _workers.Length; index++)
        {
            if (Interlocked.Exchange(ref _asleep[index], false))
            {
                _wakeUps[index].Release();
            }
        }
    }

    private void Serve(int index)
    {
        for (int round = 1; ; round++)
        {
            WaitFor(round, index);
            if (_work is not { } work)
            {
                return;
            }

            work(index + 1);
            Interlocked.Decrement(ref _running);
        }
    }

    private void WaitFor(int round, int index)
    {
        long start = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _round) < round)
        {
            Thread.SpinWait(PausesPerLook);
            if (Stopwatch.GetElapsedTime(start) >= _patience)
            {
                Sleep(round, index);
            }
        }
    }

    // Whoever takes the flag back decides: the starter, who then wakes this thread, or this thread, which has seen the round in time.
    private void Sleep(int round, int index)
    {
        Interlocked.Exchange(ref _asleep[index], true);
        if (Volatile.Read(ref _round) < round || !Interlocked.Exchange(ref _asleep[index], false))
        {
            _wakeUps[index].Wait();
        }
    }
}
