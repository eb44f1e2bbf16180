using System.Runtime.InteropServices;

namespace NativeFfn.Backends.Cpu.Team;

/// <summary>The helpers on one node, and the slices of the job in flight that are theirs before they are anyone's.</summary>
/// <param name="helpers">Threads that help there.</param>
[System.Diagnostics.CodeAnalysis.SuppressMessage(
    "Design", "CA1001", Justification = "The semaphore is never asked for a wait handle, so it owns nothing to dispose; threads may leave it late.")]
internal sealed class TeamNode(int helpers)
{
    private readonly SemaphoreSlim _wake = new(0);
    private Counters _counters;
    private int _first;
    private int _sleeping;

    /// <summary>Threads that help there.</summary>
    public int Helpers => helpers;

    /// <summary>Whether there are slices to take.</summary>
    public bool HasSlices => Left != 0;

    /// <summary>Whether there are more slices than its own threads take next, so that another node's may as well.</summary>
    public bool HasSlicesToSpare => Left > helpers;

    /// <summary>Whether a helper sleeps, or is about to; who offers slices first and then asks misses none that does not see them.</summary>
    public bool HasSleepers => Volatile.Read(ref _sleeping) != 0;

    /// <summary>Whether all slices have run.</summary>
    public bool IsDone => Volatile.Read(ref _counters.Unfinished) == 0;

    private int Left => (int)Volatile.Read(ref _counters.Ticket);

    /// <summary>Offers a job's slices.</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="slices">How many.</param>
    public void Offer(int first, int slices)
    {
        _first = first;
        Volatile.Write(ref _counters.Unfinished, slices);
        long number = (long)((ulong)Volatile.Read(ref _counters.Ticket) >> 32) + 1;
        Interlocked.Exchange(ref _counters.Ticket, (number << 32) | (uint)slices);
    }

    /// <summary>Takes a slice, which <see cref="Done"/> follows.</summary>
    public bool TryTake(out int slice)
    {
        while (true)
        {
            long ticket = Volatile.Read(ref _counters.Ticket);
            int left = (int)ticket;
            if (left == 0)
            {
                slice = -1;
                return false;
            }

            if (Interlocked.CompareExchange(ref _counters.Ticket, ticket - 1, ticket) == ticket)
            {
                // Whoever holds a slice keeps its job unfinished, and with it where its slices begin.
                slice = _first + left - 1;
                return true;
            }
        }
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
        private const int LineBytes = 128;

        // Slices not yet taken in the low half, the number of the job in the high half: a late thread cannot take a slice of a job that is over.
        [FieldOffset(LineBytes)]
        public long Ticket;

        [FieldOffset(LineBytes + sizeof(long))]
        public int Unfinished;
    }
}
