using System.Numerics;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>How long a layer's forwards take alone and with helpers, learnt while they run, and with it whether help is worth having.</summary>
/// <remarks>
/// Kept for each power of two of tokens. What help is worth depends on more than the work: on whether the team is awake, and on other
/// processes, which leave a helper without a processor while it holds a slice. So both ways are tried, the slower one now and then, some
/// forwards in a row: the first of them wakes the team, which says nothing of those that follow, and is not counted.
/// Written without a lock: of two times at once one may be lost, which the next one mends.
/// </remarks>
internal sealed class SharingTimes
{
    /// <summary>The part by which a new time moves a mean.</summary>
    private const double Learnt = 1.0 / 16;

    /// <summary>No time counts for more than so many times the mean: enough for helpers that were held up, without one freak deciding.</summary>
    private const double MostOfMean = 16;

    /// <summary>Forwards in which both ways take turns at first, and of which the fastest counts: the first of all are slow for other reasons.</summary>
    private const int Trials = 16;

    /// <summary>Forwards of a turn; a power of two.</summary>
    private const int Turn = 4;

    /// <summary>One of so many turns tries the slower way again, where the two are close and where they are not.</summary>
    private const int CloseTrialEvery = 64;

    private const int FarTrialEvery = 512;

    /// <summary>How much slower the slower way is where the two are not close.</summary>
    private const double Far = 1.2;

    private readonly Entry[] _entries = new Entry[sizeof(int) * 8];
    private double _handover;

    /// <summary>Seconds until a thread of the pool begins with what it was given; 0 where that was not measured.</summary>
    public double Handover => Volatile.Read(ref _handover);

    /// <summary>Whether helpers make a forward of so many tokens faster, by what is known.</summary>
    public bool PrefersHelp(int tokens)
    {
        ref Entry entry = ref EntryOf(tokens);
        return entry.Alone == 0 || entry.Shared <= entry.Alone;
    }

    /// <summary>Whether the next forward of so many tokens shall have helpers: the faster way, or the other to learn.</summary>
    public bool TakesHelp(int tokens)
    {
        ref Entry entry = ref EntryOf(tokens);
        int run = entry.Runs++;
        if (run < Trials)
        {
            return (run & Turn) == 0;
        }

        (double less, double more) = entry.Shared <= entry.Alone ? (entry.Shared, entry.Alone) : (entry.Alone, entry.Shared);
        int every = more > Far * less ? FarTrialEvery : CloseTrialEvery;
        return PrefersHelp(tokens) != (run / Turn % every == 0);
    }

    /// <summary>Seconds that a forward of so many tokens takes the faster way; 0 where none was timed.</summary>
    public double Of(int tokens)
    {
        ref Entry entry = ref EntryOf(tokens);
        return entry.Alone == 0 || (entry.Shared != 0 && entry.Shared < entry.Alone) ? entry.Shared : entry.Alone;
    }

    /// <summary>A forward has run.</summary>
    /// <param name="tokens">Its tokens; positive.</param>
    /// <param name="helped">Whether it had helpers.</param>
    /// <param name="seconds">How long it took.</param>
    public void Measured(int tokens, bool helped, double seconds)
    {
        ref Entry entry = ref EntryOf(tokens);
        bool wakes = helped && !entry.WasHelped;
        entry.WasHelped = helped;
        if (!wakes)
        {
            ref double mean = ref helped ? ref entry.Shared : ref entry.Alone;
            mean = entry.Runs <= Trials && mean != 0 ? Math.Min(mean, seconds) : Follow(mean, seconds);
        }
    }

    /// <summary>A thread of the pool has begun.</summary>
    public void HandedOver(double seconds) => Volatile.Write(ref _handover, Follow(_handover, seconds));

    private static double Follow(double mean, double seconds) =>
        mean == 0 ? seconds : mean + (Learnt * (Math.Min(seconds, MostOfMean * mean) - mean));

    private ref Entry EntryOf(int tokens) => ref _entries[BitOperations.Log2((uint)tokens)];

    private struct Entry
    {
        public double Alone;
        public double Shared;
        public int Runs;
        public bool WasHelped;
    }
}
