using NativeFfn.Bindings.Processors;

namespace NativeFfn.Backends.Cpu.Team;

/// <summary>Where helpers of a team sleep, so that none wakes on its caller's processor; Linux alone.</summary>
/// <remarks>
/// Linux wakes a thread where it last ran if the thread that wakes it was itself woken there, though another processor be idle: a helper
/// then waits until its caller has had its slice of time, milliseconds, which is longer than most forwards. Such a helper may run on all its
/// processors but that one from then on, until its caller calls from another, or until it wakes late all the same: what else there is may
/// be busy with others' threads, and then the system chooses better. What others do to its processors is kept to.
/// <para>
/// A helper writes its own entry before it sleeps; whoever has the team changes processors. Allocates nothing but at the start.
/// </para>
/// </remarks>
internal sealed class HelperPlaces
{
    private const int Nowhere = -1;

    // Several times what waking takes on an idle processor, and far less than a slice of the system's time.
    private static readonly TimeSpan Late = TimeSpan.FromMicroseconds(200);

    private readonly Helper[] _helpers;
    private readonly TimeProvider _time;
    private long _wokenAt;
    private volatile bool _refused;

    /// <summary>Makes room for a team.</summary>
    /// <param name="workers">Threads that run slices, the caller's included, which is the first.</param>
    /// <param name="time">By what a helper wakes late.</param>
    public HelperPlaces(int workers, TimeProvider time)
    {
        _time = time;
        _refused = !OperatingSystem.IsLinux();
        _helpers = new Helper[_refused ? 0 : workers];
        for (int i = 1; i < _helpers.Length; i++)
        {
            _helpers[i] = new Helper();
        }
    }

    /// <summary>The calling thread is a helper.</summary>
    /// <param name="worker">Its number, from 1.</param>
    public void Join(int worker)
    {
        try
        {
            if (!_refused)
            {
                _helpers[worker].Thread = ThreadAffinity.CurrentThread;
            }
        }
        catch (PlatformNotSupportedException)
        {
            _refused = true;
        }
    }

    /// <summary>A helper, the calling thread, is about to sleep.</summary>
    /// <param name="worker">Its number.</param>
    public void Sleep(int worker)
    {
        if (!_refused)
        {
            Volatile.Write(ref _helpers[worker].Processor, ThreadAffinity.CurrentProcessor);
        }
    }

    /// <summary>A helper, the calling thread, has woken.</summary>
    /// <param name="worker">Its number.</param>
    public void Wake(int worker)
    {
        if (!_refused && _helpers[worker].IsBound && _time.GetElapsedTime(Volatile.Read(ref _wokenAt)) > Late)
        {
            _refused = !_helpers[worker].TryFree();
        }
    }

    /// <summary>Has helpers that sleep on the calling thread's processor wake on others.</summary>
    public void MakeWay()
    {
        if (_refused || ThreadAffinity.CurrentProcessor is var processor && processor == Nowhere)
        {
            return;
        }

        Volatile.Write(ref _wokenAt, _time.GetTimestamp());
        for (int i = 1; i < _helpers.Length && !_refused; i++)
        {
            Helper helper = _helpers[i];
            if (Volatile.Read(ref helper.Processor) == processor)
            {
                _refused = !helper.TryForbid(processor);
            }
        }
    }

    private sealed class Helper
    {
        public int Thread;
        public int Processor = Nowhere;

        // What it may run on, what it was bound to here, and what it was last seen bound to.
        private readonly ulong[] _allowed = new ulong[ThreadAffinity.MaskWords];
        private readonly ulong[] _bound = new ulong[ThreadAffinity.MaskWords];
        private readonly ulong[] _seen = new ulong[ThreadAffinity.MaskWords];

        private int _forbidden = Nowhere;
        private int _changing;

        /// <summary>Whether there is a processor that it must not run on.</summary>
        public bool IsBound => Volatile.Read(ref _forbidden) != Nowhere;

        /// <summary>Binds it to all its processors but one, unless that is the only one.</summary>
        /// <returns>False where the system refuses.</returns>
        public bool TryForbid(int processor) => Volatile.Read(ref _forbidden) == processor || TryChange(processor);

        /// <summary>Lets it run on all its processors.</summary>
        /// <returns>False where the system refuses.</returns>
        public bool TryFree() => TryChange(Nowhere);

        // A caller and the helper itself; neither waits for the other, as the next time will do.
        private bool TryChange(int forbidden)
        {
            if (Interlocked.Exchange(ref _changing, 1) != 0)
            {
                return true;
            }

            bool done = ThreadAffinity.TryRead(Thread, _seen);
            if (done)
            {
                if (_forbidden == Nowhere || !_seen.AsSpan().SequenceEqual(_bound))
                {
                    _seen.CopyTo(_allowed.AsSpan());
                }

                _allowed.CopyTo(_bound.AsSpan());
                if (forbidden != Nowhere)
                {
                    ThreadAffinity.Remove(_bound, forbidden);
                }

                Volatile.Write(ref _forbidden, forbidden);
                done = !_bound.AsSpan().ContainsAnyExcept(0UL) || ThreadAffinity.TryBind(Thread, _bound);
            }

            Volatile.Write(ref _changing, 0);
            return done;
        }
    }
}
