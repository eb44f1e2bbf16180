using System.Numerics;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>How long a layer's forwards take alone and with helpers, learnt while they run, and with it whether help is worth having.</summary>
/// <remarks>
/// Kept for each power of two of tokens. What help is worth depends on more than the work: on whether the team is awake, and on other
/// processes, which now and then leave a helper without a processor while it holds a slice. That is rare and long, so that means count, over
/// far more time than it takes; and it changes, so that what is old counts for less. Forwards go one way for a turn, the faster one but for a
/// trial of the other now and then. A turn that follows on one of the other way wakes the team, which has to find processors, or lets it sleep: its first part says nothing.
/// Written without a lock: of two times at once one may be lost, which the next one mends.
/// </remarks>
internal sealed class SharingTimes
{
    /// <summary>Seconds of forwards after which what was measured counts for a third: dozens of times what holds a helper up.</summary>
    private const double Memory = 0.25;

    /// <summary>What a forward counts for at most: no longer has a scheduler a thread wait for others, and what takes longer is not due to help.</summary>
    private const double LongestHoldUp = 4e-3;

    /// <summary>Seconds of forwards that count in a turn; many times what waking a thread takes.</summary>
    private const double Turn = 1.5e-3;

    /// <summary>Seconds of forwards before they count, where the turn before went the other way: threads that are asked are awake by then.</summary>
    private const double Settling = 0.5e-3;

    /// <summary>Seconds that a thread that is asked has to come; one that has no processor costs nothing meanwhile, and says nothing.</summary>
    private const double Patience = 2 * LongestHoldUp;

    /// <summary>One of so many turns is a trial: less than a twentieth of the time, however slow the other way is.</summary>
    private const int TrialEvery = 64;

    private readonly Entry[] _entries = new Entry[sizeof(int) * 8];
    private double _handover;

    /// <summary>Seconds until a thread of the pool begins with what it was given; 0 where that was not measured.</summary>
    public double Handover => Volatile.Read(ref _handover);

    /// <summary>Whether helpers make a forward of so many tokens faster, by what is known.</summary>
    public bool PrefersHelp(int tokens) => EntryOf(tokens).PrefersHelp;

    /// <summary>Whether the next forward of so many tokens shall have helpers: the faster way, or the other to learn.</summary>
    public bool TakesHelp(int tokens) => !EntryOf(tokens).IsAlone;

    /// <summary>Seconds that a forward of so many tokens takes the faster way; 0 where none was timed.</summary>
    public double Of(int tokens)
    {
        ref Entry entry = ref EntryOf(tokens);
        return entry.PrefersHelp && entry.Shared.Forwards != 0 ? entry.Shared.Mean : entry.Alone.Mean;
    }

    /// <summary>A forward has run.</summary>
    /// <param name="tokens">Its tokens; positive.</param>
    /// <param name="asked">Whether helpers were asked.</param>
    /// <param name="helped">Whether one came.</param>
    /// <param name="seconds">How long it took.</param>
    public void Measured(int tokens, bool asked, bool helped, double seconds)
    {
        ref Entry entry = ref EntryOf(tokens);
        seconds = Math.Min(seconds, LongestHoldUp);
        if (entry.Settling > 0)
        {
            entry.Settle(seconds, isComing: asked && !helped);
            return;
        }

        // As long as little is known, half of it is old.
        entry.Known += seconds;
        double kept = Math.Max(0.5, 1 - (seconds / Math.Min(Memory, entry.Known / 2)));
        entry.Alone.Fade(kept);
        entry.Shared.Fade(kept);
        (asked ? ref entry.Shared : ref entry.Alone).Add(seconds);
        entry.Left -= seconds;
        if (entry.Left <= 0)
        {
            entry.NextTurn();
        }
    }

    /// <summary>A thread of the pool has begun.</summary>
    public void HandedOver(double seconds)
    {
        const double learnt = 1.0 / 16;
        double mean = _handover;
        Volatile.Write(ref _handover, mean == 0 ? seconds : mean + (learnt * (Math.Min(seconds, LongestHoldUp) - mean)));
    }

    private ref Entry EntryOf(int tokens) => ref _entries[BitOperations.Log2((uint)tokens)];

    // Forwards of one way and the seconds that they took, of which older ones count for less.
    private struct Way
    {
        public double Forwards;
        public double Seconds;

        public readonly double Mean => Forwards == 0 ? 0 : Seconds / Forwards;

        public void Fade(double kept)
        {
            Forwards *= kept;
            Seconds *= kept;
        }

        public void Add(double seconds)
        {
            Forwards++;
            Seconds += seconds;
        }
    }

    private struct Entry
    {
        public Way Alone;
        public Way Shared;
        public double Known;
        public double Settling;
        public double Waited;
        public double Left;
        public int Turns;
        public bool IsAlone;

        public readonly bool PrefersHelp => Alone.Forwards == 0 || Shared.Mean <= Alone.Mean;

        public void Settle(double seconds, bool isComing)
        {
            if (!isComing)
            {
                Settling -= seconds;
            }
            else if ((Waited += seconds) > Patience)
            {
                NextTurn();
            }
        }

        // Trials at once, after as much time again, and so on, as the first forwards of all are slow for other reasons.
        public void NextTurn()
        {
            int turn = Turns++;
            bool isTrial = BitOperations.IsPow2(turn) || turn % TrialEvery == 0;
            bool alone = PrefersHelp == isTrial;
            Settling = alone == IsAlone ? 0 : SharingTimes.Settling;
            (Waited, Left) = (0, Turn);
            IsAlone = alone;
        }
    }
}
