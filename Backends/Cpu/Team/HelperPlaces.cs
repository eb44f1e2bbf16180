using NativeFfn.Bindings.Processors;

namespace NativeFfn.Backends.Cpu.Team;

/// <summary>Where helpers of a team sleep, so that none wakes on its caller's processor; Linux alone.</summary>
/// <remarks>
/// Linux wakes a thread where it last ran if the thread that wakes it was itself woken there, though another processor be idle: a helper
/// then waits until its caller has had its slice of time, milliseconds, which is longer than most forwards. Such a helper may run on all its
/// processors but that one from then on, until its caller calls from another. What others do to its processors is kept to.
/// <para>
/// A helper writes its own entry before it sleeps; whoever has the team changes processors. Allocates nothing but at the start.
/// </para>
/// </remarks>
internal sealed class HelperPlaces
{
    private const int Nowhere = -1;

    private readonly Helper[] _helpers;
    private volatile bool _refused;

    /// <summary>Makes room for a team.</summary>
    /// <param name="workers">Threads that run slices, the caller's included, which is the first.</param>
    public HelperPlaces(int workers)
    {
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

    /// <summary>Has helpers that sleep on the calling thread's processor wake on others.</summary>
    public void MakeWay()
    {
        if (_refused || ThreadAffinity.CurrentProcessor is var processor && processor == Nowhere)
        {
            return;
        }

        for (int i = 1; i < _helpers.Length && !_refused; i++)
        {
            Helper helper = _helpers[i];
            if (Volatile.Read(ref helper.Processor) == processor && helper.Forbidden != processor)
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

        /// <summary>The processor that it must not run on; -1 for none.</summary>
        public int Forbidden { get; private set; } = Nowhere;

        /// <summary>Binds it to all its processors but one, unless that is the only one.</summary>
        /// <returns>False where the system refuses.</returns>
        public bool TryForbid(int processor)
        {
            if (!ThreadAffinity.TryRead(Thread, _seen))
            {
                return false;
            }

            if (Forbidden == Nowhere || !_seen.AsSpan().SequenceEqual(_bound))
            {
                _seen.CopyTo(_allowed.AsSpan());
            }

            _allowed.CopyTo(_bound.AsSpan());
            ThreadAffinity.Remove(_bound, processor);
            Forbidden = processor;
            return !_bound.AsSpan().ContainsAnyExcept(0UL) || ThreadAffinity.TryBind(Thread, _bound);
        }
    }
}
