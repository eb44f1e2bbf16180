namespace NativeFfn.Tests.Software;

/// <summary>A lock that threads get in the order in which they asked for it, so that one that calls without pause starves nobody. Reentrant.</summary>
internal sealed class FairGate
{
    private int _nextTicket;
    private int _serving;
    private int _owner;
    private int _depth;

    public Scope EnterScope()
    {
        if (Volatile.Read(ref _owner) != Environment.CurrentManagedThreadId)
        {
            int ticket = Interlocked.Increment(ref _nextTicket) - 1;
            var spin = default(SpinWait);
            while (Volatile.Read(ref _serving) != ticket)
            {
                spin.SpinOnce();
            }

            _owner = Environment.CurrentManagedThreadId;
        }

        _depth++;
        return new Scope(this);
    }

    public readonly ref struct Scope(FairGate gate)
    {
        public void Dispose()
        {
            if (--gate._depth == 0)
            {
                gate._owner = 0;
                Volatile.Write(ref gate._serving, gate._serving + 1);
            }
        }
    }
}
