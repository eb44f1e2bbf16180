namespace NativeFfn.Backends.Parallel;

/// <summary>
/// A wait for other ranks by looking again and again: it spins at first, as what is waited for mostly takes less than waking a thread
/// would; then others get the processor, and at last it sleeps between two looks.
/// </summary>
/// <param name="limit">How long it may last; infinite for ever.</param>
internal struct RankWait(TimeSpan limit)
{
    // Looks before others get the processor, and how long they do before the thread sleeps in between.
    private const int SpinLooks = 200;
    private static readonly TimeSpan YieldTime = TimeSpan.FromMilliseconds(20);

    private LivedTime _time = new();
    private TimeSpan _waited;
    private int _looks;

    /// <summary>What is said where the limit is over and no rank is known to be silent.</summary>
    public static string Late(int rank, TimeSpan limit) =>
        $"Another rank did not come to rank {rank} within {limit.TotalSeconds:0.###} s: it is stuck, too slow, or was stopped.";

    /// <summary>Waits a moment; false where the limit is over.</summary>
    public bool TryPause()
    {
        if (_looks < SpinLooks)
        {
            _looks++;
            Thread.SpinWait(1);
            return true;
        }

        _waited += _time.NextTurn();
        if (limit != Timeout.InfiniteTimeSpan && _waited > limit)
        {
            return false;
        }

        if (_waited < YieldTime)
        {
            Thread.Yield();
        }
        else
        {
            Thread.Sleep(1);
        }

        return true;
    }
}
