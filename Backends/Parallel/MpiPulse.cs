using System.Runtime.InteropServices;
using System.Text;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Bindings.Mpi;

namespace NativeFfn.Backends.Parallel;

/// <summary>
/// Tells the ranks of an MPI job from each other's silence: rank 0 and every other one send each other a short message ten times a second, from
/// a thread of their own, whatever else they do or wait for. A rank that gives up says why in it. While operations are under way this thread
/// has MPI go on with them as well, as the others compute.
/// </summary>
/// <remarks>
/// Silence is counted in this thread's own turns, so that a job that was stopped as a whole and goes on does not take itself for dead. A
/// launcher that ends a job, as it does when a rank died, sends SIGTERM and soon after SIGKILL: from then on half a second of silence is enough
/// to tell callers in time.
/// </remarks>
internal sealed unsafe class MpiPulse : IDisposable
{
    private const int Tag = 1;
    private const int MessageBytes = 512;

    // Messages of a peer that are read in a turn, as there are many after a rank was stopped for a while.
    private const int MostMessages = 64;

    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(100);

    // Between two calls of MPI while operations are under way: the shortest sleep there is, a small part of what is worth hiding.
    private static readonly TimeSpan ProgressPeriod = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan PatienceAtEnd = TimeSpan.FromMilliseconds(500);

    private readonly MpiLibrary _library;
    private readonly nint _communicator;
    private readonly TimeSpan _limit;
    private readonly Action<string> _failed;
    private readonly Func<bool> _progress;
    private readonly NativeBuffer _memory;
    private readonly Peer[] _peers;
    private readonly AutoResetEvent _wake = new(initialState: false);
    private readonly PosixSignalRegistration? _ending;
    private volatile bool _isEnding;
    private volatile bool _hasLeft;
    private volatile bool _isDue;
    private volatile bool _isBusy;
    private volatile string? _reason;
    private volatile int _silentRank = -1;

    /// <summary>Starts the thread.</summary>
    /// <param name="library">MPI.</param>
    /// <param name="communicator">The group's own.</param>
    /// <param name="rank">This rank.</param>
    /// <param name="ranks">Ranks; at least 2.</param>
    /// <param name="limit">How long a rank may be silent.</param>
    /// <param name="failed">Told what is wrong with another rank.</param>
    /// <param name="progress">Goes on with operations, inside of MPI; whether any are under way.</param>
    public MpiPulse(
        MpiLibrary library, nint communicator, int rank, int ranks, TimeSpan limit, Action<string> failed, Func<bool> progress)
    {
        (_library, _communicator, _limit, _failed, _progress) = (library, communicator, limit, failed, progress);
        _peers = [.. Enumerable.Range(rank == 0 ? 1 : 0, rank == 0 ? ranks - 1 : 1).Select(static peer => new Peer(peer))];
        _memory = new NativeBuffer((long)_peers.Length * 2 * MessageBytes / sizeof(float), "Messages between ranks");

        // An observer: what the signal does is the application's affair.
        _ending = OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => _isEnding = true);
        new Thread(Run) { IsBackground = true, Name = "NativeFfn ranks" }.Start();
    }

    private enum State : byte
    {
        Living,
        GaveUp,
        Left,
    }

    /// <summary>A rank that has missed its turn again and again; null where none has.</summary>
    public int? SilentRank => _silentRank < 0 ? null : _silentRank;

    /// <summary>What is said of a rank that is silent.</summary>
    public static string Silence(int rank, TimeSpan time) =>
        $"Rank {rank} was not heard of for {time.TotalSeconds:0.###} s: it was stopped, has died, or cannot be reached.";

    /// <summary>Has the others know that this rank has given up.</summary>
    public void GiveUp(string reason)
    {
        _reason = reason;
        _isDue = true;
        _wake.Set();
    }

    /// <summary>Has MPI go on with operations that were started.</summary>
    public void Hurry()
    {
        if (!_isBusy)
        {
            _wake.Set();
        }
    }

    /// <summary>Has the others expect no more of this rank; returns at once.</summary>
    public void Dispose()
    {
        _hasLeft = true;
        _ending?.Dispose();
        _isDue = true;
        _wake.Set();
    }

    private void Run()
    {
        bool isOver = false;
        var time = new LivedTime();
        while (!isOver)
        {
            string? problem = WaitForTurn();
            TimeSpan turn = time.NextTurn();
            using (_library.Enter())
            {
                if (_library.IsEnded)
                {
                    return;
                }

                isOver = true;
                int silent = -1;
                for (int i = 0; i < _peers.Length; i++)
                {
                    problem ??= Exchange(ref _peers[i], (byte*)_memory.Pointer + (i * 2 * MessageBytes), turn);
                    isOver &= _peers[i].IsOver;
                    silent = silent < 0 && _peers[i].Silence > PatienceAtEnd ? _peers[i].Rank : silent;
                }

                _silentRank = silent;
            }

            if (problem is not null && _reason is null && !_hasLeft)
            {
                _failed(problem);
            }
        }

        _memory.Dispose();
    }

    // What is wrong with operations under way, or null.
    private string? WaitForTurn()
    {
        long end = Environment.TickCount64 + (long)Period.TotalMilliseconds;
        long left = end - Environment.TickCount64;
        try
        {
            for (; left > 0 && !_isDue; left = end - Environment.TickCount64)
            {
                _isBusy = false;
                using (_library.Enter())
                {
                    _isBusy = !_library.IsEnded && _progress();
                }

                _wake.WaitOne(_isBusy ? ProgressPeriod : TimeSpan.FromMilliseconds(left));
            }

            return null;
        }
        catch (MpiException exception)
        {
            return exception.Message;
        }
        finally
        {
            _isDue = false;
        }
    }

    // What is wrong with the peer, or null.
    private string? Exchange(ref Peer peer, byte* messages, TimeSpan turn)
    {
        try
        {
            peer.Silence += turn;
            string? reason = Receive(ref peer, messages);
            Send(ref peer, messages + MessageBytes);
            TimeSpan most = _isEnding && _limit > PatienceAtEnd ? PatienceAtEnd : _limit;
            return reason ?? (peer.HasLeft || peer.Silence <= most ? null : Silence(peer.Rank, most));
        }
        catch (MpiException exception)
        {
            peer.HasLeft = peer.WasLeft = true;
            return $"Rank {peer.Rank} cannot be reached: {exception.Message}";
        }
    }

    private string? Receive(ref Peer peer, byte* message)
    {
        for (int count = 0; count < MostMessages && !peer.HasLeft; count++)
        {
            if (!peer.Receives)
            {
                nint request = 0;
                _library.Check(_library.Functions.MPI_Irecv(
                    message, MessageBytes, _library.Abi.Byte, peer.Rank, Tag, _communicator, &request));
                (peer.Receiving, peer.Receives) = (request, true);
            }

            if (!_library.IsDone(ref peer.Receiving))
            {
                return null;
            }

            peer.Receives = false;
            peer.Silence = TimeSpan.Zero;
            switch ((State)message[0])
            {
                case State.GaveUp:
                    return Encoding.UTF8.GetString(message + 1, MessageBytes - 1).TrimEnd('\0');
                case State.Left:
                    peer.HasLeft = true;
                    break;
            }
        }

        return null;
    }

    private void Send(ref Peer peer, byte* message)
    {
        if (peer.WasLeft || (peer.Sends && !_library.IsDone(ref peer.Sending)))
        {
            return;
        }

        var state = _reason is not null ? State.GaveUp : _hasLeft ? State.Left : State.Living;
        new Span<byte>(message, MessageBytes).Clear();
        message[0] = (byte)state;
        if (_reason is { } reason)
        {
            Encoding.UTF8.GetEncoder().Convert(reason, new Span<byte>(message + 1, MessageBytes - 1), flush: true, out _, out _, out _);
        }

        nint request = 0;
        _library.Check(_library.Functions.MPI_Isend(message, MessageBytes, _library.Abi.Byte, peer.Rank, Tag, _communicator, &request));
        (peer.Sending, peer.Sends, peer.WasLeft) = (request, true, state == State.Left);
    }

    private struct Peer(int rank)
    {
        public nint Receiving;
        public nint Sending;
        public bool Receives;
        public bool Sends;

        // The peer has left, and this rank has told it that it left.
        public bool HasLeft;
        public bool WasLeft;
        public TimeSpan Silence;

        public int Rank { get; } = rank;

        public readonly bool IsOver => HasLeft && WasLeft;
    }
}
