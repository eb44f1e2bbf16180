using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>A slot's recorded forwards of few tokens, copies included: one launch in the place of five to ten, each of which costs as much as its work.</summary>
internal sealed class DecodeGraphs : IDisposable
{
    /// <summary>The most tokens of a forward that is recorded; beyond, launching is small beside the work.</summary>
    public const int MostTokens = 16;

    // What spoils a recording, such as somebody's wait for the whole device, is over soon; what does not is there to stay.
    private const int MostAttempts = 3;

    private readonly Dictionary<Key, Entry> _entries = [];

    /// <summary>
    /// Runs a forward: as it is at first, which plans its GEMMs; recorded the second time; by its record from then on. One that cannot be
    /// recorded is run as it is.
    /// </summary>
    /// <param name="slot">The slot, whose stream is idle.</param>
    /// <param name="key">What is run.</param>
    /// <param name="forward">Queues it; whatever it names lies in the slot's memory.</param>
    public void Run(StreamSlot slot, in Key key, in HostForward forward)
    {
        if (!_entries.TryGetValue(key, out Entry entry) || !IsCurrent(key, entry, slot.Generation))
        {
            forward.QueueLayers();
            Forget(slot.Generation);
            _entries[key] = new Entry(slot.Generation, key.Layer.Networks[0].Plans.Generation, null, 0);
            return;
        }

        if (entry.Graph is null && entry.Attempts < MostAttempts)
        {
            entry = entry with { Graph = TryRecord(slot, forward), Attempts = entry.Attempts + 1 };
            _entries[key] = entry;
        }

        if (entry.Graph is { } graph)
        {
            slot.Stream.Launch(graph);
        }
        else
        {
            forward.QueueLayers();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Entry entry in _entries.Values)
        {
            entry.Graph?.Dispose();
        }

        _entries.Clear();
    }

    // Others can spoil a recording by what they do to the device meanwhile, and no forward fails of that.
    private static CudaGraph? TryRecord(StreamSlot slot, in HostForward forward)
    {
        try
        {
            slot.Stream.BeginCapture();
            forward.QueueLayers();
            return slot.Stream.EndCapture();
        }
        catch (Exception failure)
        {
            slot.Stream.AbandonCapture();
            slot.Probe();
            if (slot.Context.IsLost || !(failure is CaptureException || DeviceFault.IsNative(failure)))
            {
                throw;
            }

            return null;
        }
    }

    // Records of layers that are gone, of memory that has moved and of plans that were replaced are never run again.
    private void Forget(int generation)
    {
        foreach ((Key key, Entry entry) in _entries)
        {
            if (key.Layer.IsClosed || !IsCurrent(key, entry, generation))
            {
                entry.Graph?.Dispose();
                _entries.Remove(key);
            }
        }
    }

    private static bool IsCurrent(in Key key, in Entry entry, int generation) =>
        entry.Generation == generation && entry.Plans == key.Layer.Networks[0].Plans.Generation;

    /// <summary>What makes two recorded forwards the same.</summary>
    /// <param name="Layer">The layer, by identity.</param>
    /// <param name="Mode">The mode.</param>
    /// <param name="AddsInput">Whether the residual is the input.</param>
    /// <param name="Tokens">Tokens.</param>
    internal readonly record struct Key(DeviceLayer Layer, FfnMode Mode, bool AddsInput, int Tokens);

    private readonly record struct Entry(int Generation, int Plans, CudaGraph? Graph, int Attempts);
}
