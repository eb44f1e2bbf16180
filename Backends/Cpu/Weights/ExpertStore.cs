using NativeFfn.Backends.Cpu.Numa;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Weights;

/// <summary>The experts of a mixture: all of them in memory, or as many as a bound allows, the one used longest ago making room.</summary>
/// <remarks>
/// Whoever uses experts holds them, and waits for the first of them alone; so that a thread that waits for room holds none, and somebody
/// else's expert will be free. Safe for use by several threads at once. The lock is held to look and to book, never while weights are read or used.
/// </remarks>
internal sealed class ExpertStore : IDisposable
{
    private readonly object _lock = new();
    private readonly Func<int, NetworkWeights> _load;
    private readonly Slot[] _slots;
    private readonly int _first;
    private readonly int _most;
    private int _resident;
    private long _clock;
    private QuantizationError _error;

    /// <summary>A store.</summary>
    /// <param name="first">The first expert.</param>
    /// <param name="experts">Experts.</param>
    /// <param name="most">Experts in memory at a time; all are loaded at once where that is all of them.</param>
    /// <param name="load">Reads an expert.</param>
    public ExpertStore(int first, int experts, int most, Func<int, NetworkWeights> load)
    {
        _first = first;
        _load = load;
        _most = most;
        _slots = [.. Enumerable.Range(0, experts).Select(static _ => new Slot())];
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

    /// <summary>An expert, which stays until it is released; reads it where it is not in memory.</summary>
    /// <param name="expert">The expert.</param>
    /// <param name="waits">Whether to wait for room, which only who holds no other may.</param>
    /// <returns>Null where there is no room at once and nobody waits for it.</returns>
    public NetworkWeights? Acquire(int expert, bool waits)
    {
        Slot slot = _slots[expert - _first];
        if (!IsBounded)
        {
            return slot.Weights!;
        }

        lock (_lock)
        {
            while (slot.Weights is null && (slot.IsLoading || !TryMakeRoom()))
            {
                if (!waits)
                {
                    return null;
                }

                Monitor.Wait(_lock);
            }

            if (slot.Weights is { } weights)
            {
                slot.Holders++;
                slot.LastUse = ++_clock;
                return weights;
            }

            slot.IsLoading = true;
        }

        return Load(expert);
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
            _slots[expert - _first].Holders--;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Frees all experts; nobody may hold one.</summary>
    public void Dispose()
    {
        foreach (Slot slot in _slots)
        {
            slot.Weights?.Memory.Dispose();
            slot.Weights = null;
        }
    }

    // Books the room for one expert more, freeing the one used longest ago where there is none.
    private bool TryMakeRoom()
    {
        if (_resident < _most)
        {
            _resident++;
            return true;
        }

        Slot? oldest = null;
        foreach (Slot slot in _slots)
        {
            if (slot is { Weights: not null, Holders: 0 } && (oldest is null || slot.LastUse < oldest.LastUse))
            {
                oldest = slot;
            }
        }

        if (oldest is null)
        {
            return false;
        }

        oldest.Weights!.Memory.Dispose();
        oldest.Weights = null;
        return true;
    }

    private NetworkWeights Load(int expert)
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
                _slots[expert - _first].IsLoading = false;
                if (weights is null)
                {
                    _resident--;
                }
                else
                {
                    Keep(expert, weights);
                    _slots[expert - _first].Holders = 1;
                    _slots[expert - _first].LastUse = ++_clock;
                }

                Monitor.PulseAll(_lock);
            }
        }
    }

    // What an expert lost is counted when it is first read.
    private void Keep(int expert, NetworkWeights weights)
    {
        Slot slot = _slots[expert - _first];
        slot.Weights = weights;
        if (!slot.WasCounted)
        {
            slot.WasCounted = true;
            _error = QuantizationError.Worst(_error, weights.Error);
        }
    }

    private sealed class Slot
    {
        public NetworkWeights? Weights { get; set; }

        public int Holders { get; set; }

        public long LastUse { get; set; }

        public bool IsLoading { get; set; }

        public bool WasCounted { get; set; }
    }
}
