using NativeFfn.Bindings.Mpi;

namespace NativeFfn.Backends.Parallel;

/// <summary>Operations of MPI that were started and not waited for yet, the oldest first. To be used inside <see cref="MpiLibrary.Enter"/>.</summary>
/// <param name="library">MPI.</param>
internal sealed class MpiPending(MpiLibrary library)
{
    private readonly Operation[] _operations = new Operation[ICollective.MostPending];
    private int _first;

    /// <summary>Operations.</summary>
    public int Count { get; private set; }

    /// <summary>Takes one over; there is a place.</summary>
    public void Add(nint request)
    {
        _operations[(_first + Count) % _operations.Length] = new Operation { Request = request };
        Count++;
    }

    /// <summary>Asks after all: MPI goes on with them where it is called, and mostly nowhere else.</summary>
    public void Progress()
    {
        for (int i = 0; i < Count; i++)
        {
            ref Operation operation = ref _operations[(_first + i) % _operations.Length];
            operation.IsDone = operation.IsDone || library.IsDone(ref operation.Request);
        }
    }

    /// <summary>Whether the oldest is over, which is then forgotten.</summary>
    public bool TryFinish()
    {
        Progress();
        bool isDone = _operations[_first].IsDone;
        if (isDone)
        {
            _first = (_first + 1) % _operations.Length;
            Count--;
        }

        return isDone;
    }

    private struct Operation
    {
        public nint Request;
        public bool IsDone;
    }
}
