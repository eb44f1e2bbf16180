using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Cpu.Team;

/// <summary>The helpers on one node, and the slices of the job in flight that are theirs before they are anyone's.</summary>
/// <param name="helpers">Threads that help there.</param>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Design", "CA1001", Justification = "The semaphore is never asked for a wait handle, so it owns nothing to dispose; threads may leave it late.")]
internal sealed class TeamNode(int helpers)
{
    private const int LineBytes = 128;

    // One of each helper, and the last one of a caller.
    private readonly Share[] _shares = new Share[helpers + 1];
    private readonly SemaphoreSlim _wake = new(0);
    private Counters _counters;
    private int _first;
    private int _sleeping;

    /// <summary>Threads that help there.</summary>
    public int Helpers => helpers;

    /// <summary>The place of who is none of its helpers.</summary>
    public int Guest => helpers;

    /// <summary>Whether there are slices to take.</summary>
    public bool HasSlices => HasMoreThan(0);

    /// <summary>Whether there are more slices than its own threads take next, so that another node's may as well.</summary>
    public bool HasSlicesToSpare => HasMoreThan(helpers);

    /// <summary>Whether a helper sleeps, or is about to; who offers slices first and then asks misses none that does not see them.</summary>
    public bool HasSleepers => Volatile.Read(ref _sleeping) != 0;

    /// <summary>Whether all slices have run.</summary>
    public bool IsDone => Volatile.Read(ref _counters.Unfinished) == 0;

    /// <summary>Offers a job's slices.</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="slices">How many.</param>
    public void Offer(int first, int slices)
    {
        _first = first;
        Volatile.Write(ref _counters.Unfinished, slices);
        long number = (long)((ulong)Volatile.Read(ref _counters.Job) >> 32) + 1;
        Interlocked.Exchange(ref _counters.Job, (number << 32) | (uint)slices);
    }

    /// <summary>Takes a slice, which <see cref="Done"/> follows: the next one of the taker's share, then one of another's.</summary>
    /// <remarks>
    /// Kernels ask memory for what follows their slice, so that it is best followed by its neighbour on the same thread. Whoever is late or
    /// slow loses what it has not begun.
    /// </remarks>
    /// <param name="place">The taker's own: below <see cref="Helpers"/>, or <see cref="Guest"/>.</param>
    /// <param name="slice">The slice.</param>
    public bool TryTake(int place, out int slice)
    {
        for (int i = 0; i < _shares.Length && (i == 0 || !IsDone); i++)
        {
            if (TryTakeOf((place + i) % _shares.Length, out slice))
            {
                return true;
            }
        }

        slice = -1;
        return false;
    }

    /// <summary>A slice that was taken has run.</summary>
    public void Done() => Interlocked.Decrement(ref _counters.Unfinished);

    /// <summary>Has so many helpers awake or on their way. They look for work by themselves.</summary>
    public void Wake(int wanted)
    {
        int sleeping;
        int sleepers;
        do
        {
            sleeping = Volatile.Read(ref _sleeping);
            sleepers = Math.Min(sleeping, wanted - (helpers - sleeping));
        }
        while (sleepers > 0 && Interlocked.CompareExchange(ref _sleeping, sleeping - sleepers, sleeping) != sleeping);
        if (sleepers > 0)
        {
            _wake.Release(sleepers);
        }
    }

    /// <summary>Wakes every helper, for the last time.</summary>
    public void WakeAll()
    {
        if (helpers > 0)
        {
            _wake.Release(helpers);
        }
    }

    /// <summary>A helper sleeps until it is woken, unless there is a reason to stay awake.</summary>
    /// <remarks>
    /// A thread counts itself as asleep before it looks a last time, and a caller offers its slices before it counts, both by Interlocked, a
    /// full fence on every processor: one of the two sees the other.
    /// </remarks>
    /// <param name="team">Who knows a reason.</param>
    public void Sleep(TeamState team)
    {
        Interlocked.Increment(ref _sleeping);
        if (!team.HasWork(this) || !TryStayAwake())
        {
            _wake.Wait();
        }
    }

    private bool TryTakeOf(int share, out int slice)
    {
        while (true)
        {
            int left = Left(share, out long job, out long ticket);
            if (left == 0)
            {
                slice = -1;
                return false;
            }

            // A ticket that has not changed is of a share of which slices are left, so of a job that is not over.
            long number = (long)((ulong)job >> 32);
            if (Interlocked.CompareExchange(ref _shares[share].Ticket, (number << 32) | (uint)(left - 1), ticket) == ticket)
            {
                // Whoever holds a slice keeps its job unfinished, and with it where its slices begin.
                slice = _first + End(share, (int)job) - left;
                return true;
            }
        }
    }

    // A share that nobody has taken of has an earlier job's ticket, and is whole.
    private int Left(int share, out long job, out long ticket)
    {
        long before;
        do
        {
            before = Volatile.Read(ref _counters.Job);
            ticket = Volatile.Read(ref _shares[share].Ticket);
            job = Volatile.Read(ref _counters.Job);
        }
        while (job != before);
        return (ticket ^ job) >> 32 == 0 ? (int)ticket : End(share, (int)job) - End(share - 1, (int)job);
    }

    private int End(int share, int slices) => (int)((long)slices * (share + 1) / _shares.Length);

    // Between jobs one look at one cache line, not one at each share's: helpers ask this as they spin.
    private bool HasMoreThan(int slices)
    {
        for (int share = 0; share < _shares.Length && slices >= 0 && !IsDone; share++)
        {
            slices -= Left(share, out _, out _);
        }

        return slices < 0;
    }

    // A sleeper that is not on its way yet; where there is none, this one is.
    private bool TryStayAwake()
    {
        int sleeping;
        do
        {
            sleeping = Volatile.Read(ref _sleeping);
        }
        while (sleeping > 0 && Interlocked.CompareExchange(ref _sleeping, sleeping - 1, sleeping) != sleeping);
        return sleeping > 0;
    }

    // Apart from what another node's threads write: a pair of cache lines, as processors fetch them.
    [StructLayout(LayoutKind.Explicit, Size = 3 * LineBytes)]
    private struct Counters
    {
        // The job's slices in the low half, its number in the high half.
        [FieldOffset(LineBytes)]
        public long Job;

        [FieldOffset(LineBytes + sizeof(long))]
        public int Unfinished;
    }

    [StructLayout(LayoutKind.Explicit, Size = 2 * LineBytes)]
    private struct Share
    {
        // Slices not yet taken in the low half, the number of their job in the high half: a late thread cannot take a slice of a job that is over.
        [FieldOffset(LineBytes)]
        public long Ticket;
    }
}
