using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Layers;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>A lane's recorded forwards of few tokens, copies included: one launch in the place of five to ten, each of which costs as much as its work.</summary>
internal sealed class DecodeGraphs : IDisposable
{
    /// <summary>The most tokens of a forward that is recorded; beyond, launching is small beside the work.</summary>
    public const int MostTokens = 16;

    // What spoils a recording, such as somebody's wait for the whole device, is over soon; what does not is there to stay.
    private const int MostAttempts = 3;

    private readonly Dictionary<Key, Entry> _entries = [];

    /// <summary>
    /// Runs a forward: as it is at first, which settles its plans; recorded the second time; by its record from then on. One that cannot be
    /// recorded is run as it is.
    /// </summary>
    /// <param name="lane">The lane, whose stream is idle.</param>
    /// <param name="key">What is run.</param>
    /// <param name="forward">Queues it; whatever it names lies in the lane's memory.</param>
    public void Run(DeviceLane lane, in Key key, in HostForward forward)
    {
        if (!_entries.TryGetValue(key, out Entry entry) || !IsCurrent(key, entry, lane.Generation))
        {
            forward.Queue();
            Forget(lane.Generation);
            _entries[key] = new Entry(lane.Generation, key.Layer.Network.Plans.Generation, null, 0);
            return;
        }

        if (entry.Graph is null && entry.Attempts < MostAttempts)
        {
            entry = entry with { Graph = TryRecord(lane, forward), Attempts = entry.Attempts + 1 };
            _entries[key] = entry;
        }

        if (entry.Graph is { } graph)
        {
            lane.Stream.Launch(graph);
        }
        else
        {
            forward.Queue();
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
    private static CudaGraph? TryRecord(DeviceLane lane, in HostForward forward)
    {
        try
        {
            lane.Stream.BeginCapture();
            forward.Queue();
            return lane.Stream.EndCapture();
        }
        catch (Exception failure)
        {
            lane.Stream.AbandonCapture();
            lane.Probe();
            if (lane.Context.IsLost || !(failure is CaptureException || DeviceFault.IsNative(failure)))
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
        entry.Generation == generation && entry.Plans == key.Layer.Network.Plans.Generation;

    /// <summary>What makes two recorded forwards the same.</summary>
    /// <param name="Layer">The layer, by identity.</param>
    /// <param name="Mode">The mode.</param>
    /// <param name="AddsInput">Whether the residual is the input.</param>
    /// <param name="Tokens">Tokens.</param>
    internal readonly record struct Key(NetworkLayer Layer, FfnMode Mode, bool AddsInput, int Tokens);

    private readonly record struct Entry(int Generation, int Plans, CudaGraph? Graph, int Attempts);
}
