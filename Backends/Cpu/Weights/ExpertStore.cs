using NativeFfn.Backends.Cpu.Numa;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Weights;

/// <summary>The experts of a mixture: all of them in memory, or as many as a bound allows, the one used longest ago making room.</summary>
/// <remarks>
/// Whoever uses experts holds them, and waits for the first of them alone; so that a thread that waits for room holds none, and somebody
/// else's expert will be free. What a forward expects to use is read by other threads while it runs, where there is room without what it
/// uses or still will; a wave holds no more than half of the room meanwhile. Safe for use by several threads at once. The lock is held to
/// look and to book, never while weights are read or used.
/// </remarks>
internal sealed class ExpertStore : IDisposable, IThreadPoolWorkItem
{
    private readonly object _lock = new();
    private readonly Func<int, NetworkWeights> _load;
    private readonly ExpertSlot[] _slots;
    private readonly int _first;
    private readonly int _most;
    private readonly int _mostReaders;

    // Experts that are expected and were not in memory, in the order in which they will be acquired.
    private readonly List<int> _ahead = [];
    private int _readers;
    private int _resident;
    private int _held;
    private long _clock;
    private QuantizationError _error;

    /// <summary>A store.</summary>
    /// <param name="first">The first expert.</param>
    /// <param name="experts">Experts.</param>
    /// <param name="most">Experts in memory at a time; all are loaded at once where that is all of them.</param>
    /// <param name="readers">Threads that read ahead, beside a forward's own.</param>
    /// <param name="load">Reads an expert; on several threads at once where they are.</param>
    public ExpertStore(int first, int experts, int most, int readers, Func<int, NetworkWeights> load)
    {
        (_first, _most, _mostReaders) = (first, most, readers);
        _load = load;
        _slots = [.. Enumerable.Range(0, experts).Select(static _ => new ExpertSlot())];
        IsBounded = most < experts;
        if (IsBounded)
        {
            return;
        }

        try
        {
            for (int i = 0; i < experts; i++)
            {
                Keep(first + i, load(first + i));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether experts come and go.</summary>
    public bool IsBounded { get; }

    /// <summary>The loss of the matrix that lost most in the experts that were read so far.</summary>
    public QuantizationError Error
    {
        get
        {
            lock (_lock)
            {
                return _error;
            }
        }
    }

    /// <summary>Bytes of the experts that are in memory.</summary>
    public long ResidentBytes
    {
        get
        {
            lock (_lock)
            {
                return _slots.Sum(static slot => slot.Weights?.Memory.ByteLength ?? 0);
            }
        }
    }

    /// <summary>Where those in memory were put; none where that is anywhere.</summary>
    public NodePlacement[] Placements
    {
        get
        {
            lock (_lock)
            {
                return [.. _slots.Select(static slot => slot.Weights?.Placement).OfType<NodePlacement>()];
            }
        }
    }

    /// <summary>The first expert of those in memory, to ask how it is kept and not for its weights; null where there is none.</summary>
    public NetworkWeights? First
    {
        get
        {
            lock (_lock)
            {
                return Array.Find(_slots, static slot => slot.Weights is not null)?.Weights;
            }
        }
    }

    /// <summary>Says that an expert will be acquired. Once the first is, those that are not in memory are read.</summary>
    /// <returns>Whether it is in memory.</returns>
    public bool Expect(int expert)
    {
        if (!IsBounded)
        {
            return true;
        }

        lock (_lock)
        {
            ExpertSlot slot = _slots[expert - _first];
            slot.Expected++;
            if (slot.Weights is null && !_ahead.Contains(expert))
            {
                _ahead.Add(expert);
            }

            return slot.Weights is not null;
        }
    }

    /// <summary>Says that an expert will not be acquired after all. Nobody reads it ahead any more once this returns.</summary>
    public void Forget(int expert)
    {
        if (!IsBounded)
        {
            return;
        }

        lock (_lock)
        {
            ExpertSlot slot = _slots[expert - _first];
            Unexpect(expert, slot);
            while (slot is { Expected: 0, IsLoading: true })
            {
                Monitor.Wait(_lock);
            }
        }
    }

    /// <summary>An expert that was expected, which stays until it is released.</summary>
    /// <param name="expert">The expert.</param>
    /// <param name="waits">Whether to wait for it, or to read it where nobody does, which only who holds no other may.</param>
    /// <returns>Null where it is not there at once, or others' turn has come, and nobody waits.</returns>
    public NetworkWeights? Acquire(int expert, bool waits)
    {
        ExpertSlot slot = _slots[expert - _first];
        if (!IsBounded)
        {
            return slot.Weights!;
        }

        while (true)
        {
            int? other = null;
            lock (_lock)
            {
                StartReaders();
                if (!waits && (slot.Weights is null || (_ahead.Count > 0 && _held >= _most / 2)))
                {
                    return null;
                }

                if (slot.Weights is { } weights)
                {
                    Hold(expert, slot);
                    return weights;
                }

                if (!slot.IsLoading && TryMakeRoom(sparesExpected: false))
                {
                    slot.IsLoading = true;
                }
                else if ((other = TakeAhead()) is null)
                {
                    Monitor.Wait(_lock);
                    continue;
                }
            }

            if (other is null)
            {
                return Load(expert, holds: true);
            }

            // While somebody else reads the one, the next.
            ReadAhead(other.Value);
        }
    }

    /// <summary>Lets an expert go.</summary>
    public void Release(int expert)
    {
        if (!IsBounded)
        {
            return;
        }

        lock (_lock)
        {
            if (--_slots[expert - _first].Holders == 0)
            {
                _held--;
            }

            StartReaders();
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Reads ahead until nothing is left to read, or there is no room.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        while (true)
        {
            int expert;
            lock (_lock)
            {
                if (TakeAhead() is not { } next)
                {
                    _readers--;
                    return;
                }

                expert = next;
            }

            ReadAhead(expert);
        }
    }

    /// <summary>Frees all experts; nobody may hold one.</summary>
    public void Dispose()
    {
        foreach (ExpertSlot slot in _slots)
        {
            slot.Weights?.Memory.Dispose();
            slot.Weights = null;
        }
    }

    private void StartReaders()
    {
        while (_readers < Math.Min(_mostReaders, _ahead.Count) && (_resident < _most || FindOldest(sparesExpected: true) is not null))
        {
            _readers++;
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    // The next expert to read ahead, whose room is booked; null where there is none, or no room.
    private int? TakeAhead()
    {
        while (_ahead.Count > 0)
        {
            int expert = _ahead[0];
            ExpertSlot slot = _slots[expert - _first];
            bool isMissing = slot is { Weights: null, IsLoading: false };
            if (isMissing && !TryMakeRoom(sparesExpected: true))
            {
                break;
            }

            _ahead.RemoveAt(0);
            if (isMissing)
            {
                slot.IsLoading = true;
                return expert;
            }
        }

        return null;
    }

    private void ReadAhead(int expert)
    {
        try
        {
            Load(expert, holds: false);
        }
        catch (Exception)
        {
            // Who acquires it reads it again, and tells what is wrong.
        }
    }

    private void Unexpect(int expert, ExpertSlot slot)
    {
        if (--slot.Expected == 0)
        {
            _ahead.Remove(expert);
        }
    }

    private void Hold(int expert, ExpertSlot slot)
    {
        Unexpect(expert, slot);
        slot.LastUse = ++_clock;
        if (slot.Holders++ == 0)
        {
            _held++;
        }
    }

    // What nobody expects goes first, and what is expected only where it need not be spared.
    private ExpertSlot? FindOldest(bool sparesExpected) => _slots
        .Where(slot => slot is { Weights: not null, Holders: 0 } && (slot.Expected == 0 || !sparesExpected))
        .MinBy(static slot => (slot.Expected > 0, slot.LastUse));

    // Books the room for one expert more, freeing the one used longest ago where there is none.
    private bool TryMakeRoom(bool sparesExpected)
    {
        if (_resident < _most)
        {
            _resident++;
            return true;
        }

        if (FindOldest(sparesExpected) is not { } oldest)
        {
            return false;
        }

        oldest.Weights!.Memory.Dispose();
        oldest.Weights = null;
        return true;
    }

    private NetworkWeights Load(int expert, bool holds)
    {
        NetworkWeights? weights = null;
        try
        {
            weights = _load(expert);
            return weights;
        }
        finally
        {
            lock (_lock)
            {
                ExpertSlot slot = _slots[expert - _first];
                slot.IsLoading = false;
                if (weights is null)
                {
                    _resident--;
                }
                else
                {
                    Keep(expert, weights);
                    slot.LastUse = ++_clock;
                }

                if (weights is not null && holds)
                {
                    Hold(expert, slot);
                }

                Monitor.PulseAll(_lock);
            }
        }
    }

    // What an expert lost is counted when it is first read.
    private void Keep(int expert, NetworkWeights weights)
    {
        ExpertSlot slot = _slots[expert - _first];
        slot.Weights = weights;
        if (!slot.WasCounted)
        {
            slot.WasCounted = true;
            _error = QuantizationError.Worst(_error, weights.Error);
        }
    }
}
