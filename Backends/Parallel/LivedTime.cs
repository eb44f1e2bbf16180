namespace NativeFfn.Backends.Parallel;

/// <summary>Time in which this process ran, by its turns: a job that was stopped as a whole and goes on has lost none.</summary>
internal struct LivedTime()
{
    // A turn that takes longer was an interruption.
    private const long MostMilliseconds = 200;

    private long _last = Environment.TickCount64;

    /// <summary>What has passed since the last turn.</summary>
    public TimeSpan NextTurn()
    {
        long now = Environment.TickCount64;
        long turn = Math.Min(now - _last, MostMilliseconds);
        _last = now;
        return TimeSpan.FromMilliseconds(turn);
    }
}
