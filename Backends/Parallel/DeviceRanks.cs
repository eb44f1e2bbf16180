using System.Diagnostics;
using NativeFfn.Bindings.Cuda;
using NativeFfn.Bindings.Nccl;

namespace NativeFfn.Backends.Parallel;

/// <summary>
/// A rank's parts run on its GPU, in one stream with what ranks do between them: the leading rank's rows are broadcast, each pair's results
/// are added up, and only the leading rank's memory of the host has rows going in and out. For one forward at a time.
/// </summary>
internal sealed unsafe class DeviceRanks : IDisposable
{
    // Pinned memory is taken from everybody: rows of a forward go in pieces of so many bytes, alike on all ranks, where one token's do.
    private const long MostBytes = 64L * 1024 * 1024;

    private readonly NcclCollective _collective;
    private readonly MeteredCollective _meter;
    private readonly IDeviceStream _layers;
    private readonly List<(CudaEvent Start, CudaEvent End)> _marks = [];
    private DeviceMemory? _even;
    private DeviceMemory? _odd;
    private PinnedMemory? _host;
    private int _marked;
    private long _bytes;

    /// <summary>Makes room in the group's stream.</summary>
    /// <param name="inner">What runs this rank's parts.</param>
    /// <param name="collective">The ranks, which own this.</param>
    /// <param name="meter">Counts what they do.</param>
    public DeviceRanks(IFfnBackend inner, NcclCollective collective, MeteredCollective meter)
    {
        (_collective, _meter) = (collective, meter);
        try
        {
            // The stream of layers goes first, and waits for what uses the memory of this.
            collective.Own(this);
            _layers = collective.Own(inner.OpenStream(collective.Stream.Handle));
        }
        catch (Exception failure)
        {
            collective.Break(failure);
            throw;
        }
    }

    /// <summary>Whether nothing of the group runs on the GPU any more.</summary>
    public bool IsOver => _collective.IsOver;

    private bool Leads => _collective.Rank == 0;

    private float* Host => (float*)_host!.Pointer;

    private string Device => _collective.Context.Device.Name;

    /// <summary>Makes room for a forward, so that nothing of it waits for more than other ranks' rows. Called while nothing runs.</summary>
    /// <exception cref="InsufficientMemoryException">There is no room.</exception>
    public void Reserve(ParallelLayer layer, int tokens)
    {
        int chunk = ChunkTokens(layer, tokens);
        long bytes = (long)chunk * layer.Width * sizeof(float);
        try
        {
            Grow(_collective.Context, bytes, bytes + (layer.Spec.InputWidth * (long)sizeof(float)));
            while (_marks.Count <= layer.Parts.Length)
            {
                _marks.Add((_collective.Context.CreateEvent(timing: true), _collective.Context.CreateEvent(timing: true)));
            }
        }
        catch (CudaException failure)
        {
            throw failure.IsOutOfMemory
                ? new InsufficientMemoryException(
                    $"Rows between ranks of {layer.Spec} need {2 * bytes} bytes on {Device}: {failure.Message}", failure)
                : new DeviceFailedException($"{Device}: {failure.Message}", isFatal: false, failure);
        }

        foreach ((ILoadedLayer loaded, _) in layer.Parts)
        {
            _layers.Reserve(loaded, chunk);
        }
    }

    /// <summary>Runs the leading rank's rows; there is room, and the others were told.</summary>
    public void Lead(ParallelLayer layer, in FfnRows rows, in RowPlaces places)
    {
        long start = Stopwatch.GetTimestamp();
        int chunk = ChunkTokens(layer, rows.Input.Height);
        for (int first = 0; first < rows.Input.Height; first += chunk)
        {
            int tokens = Math.Min(chunk, rows.Input.Height - first);
            layer.Block.Prepare(rows, places.Input, first, tokens, Host);
            Run(layer, tokens);
            layer.Block.Finish(rows, places, first, tokens, Host, Host + ((long)tokens * layer.Width));
        }

        rows.Profile?.AddElapsed(Stopwatch.GetTimestamp() - start);
    }

    /// <summary>Runs another rank's part of the leading rank's rows.</summary>
    public void Serve(ParallelLayer layer, int tokens)
    {
        try
        {
            Reserve(layer, tokens);
        }
        catch (Exception failure)
        {
            _collective.Break(failure);
            throw;
        }

        int chunk = ChunkTokens(layer, tokens);
        for (int first = 0; first < tokens; first += chunk)
        {
            Run(layer, Math.Min(chunk, tokens - first));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((CudaEvent start, CudaEvent end) in _marks)
        {
            start.Dispose();
            end.Dispose();
        }

        _even?.Dispose();
        _odd?.Dispose();
        _host?.Dispose();
    }

    private static int ChunkTokens(ParallelLayer layer, int tokens) =>
        (int)Math.Clamp(MostBytes / ((long)layer.Width * sizeof(float)), 1, tokens);

    private void Grow(CudaContext context, long bytes, long hostBytes)
    {
        if (_odd is null || _odd.Region.Bytes < bytes)
        {
            _even?.Dispose();
            _odd?.Dispose();
            (_even, _odd) = (null, null);
            _even = context.Allocate(bytes);
            _odd = context.Allocate(bytes);
        }

        // A row of room behind them.
        if (Leads && (_host is null || _host.Bytes < hostBytes))
        {
            _host?.Dispose();
            _host = null;
            _host = context.AllocatePinned(hostBytes);
        }
    }

    private void Run(ParallelLayer layer, int tokens)
    {
        try
        {
            using CudaContext.Scope scope = _collective.Context.Enter();
            (_marked, _bytes) = (0, 0);
            Queue(layer, tokens);
            _collective.Wait();
            Count();
        }
        catch (Exception failure)
        {
            CollectiveFailedException told = _collective.Break(failure);
            if (failure is CudaException or NcclException)
            {
                throw told;
            }

            throw;
        }

        // Nothing runs any more; what held the layers lets them go.
        _layers.Synchronize();
    }

    // Rows go to and fro between two places; every part but a sum's is computed alike on all ranks.
    private void Queue(ParallelLayer layer, int tokens)
    {
        (DeviceRegion from, DeviceRegion to) = (_even!.Region, _odd!.Region);
        DeviceRegion rows = Rows(from, layer.Spec.InputWidth);
        if (Leads)
        {
            _collective.Stream.CopyToDevice(Host, rows);
        }

        Mark(rows, static (collective, rows) => collective.QueueBroadcast(rows, root: 0));
        foreach ((ILoadedLayer loaded, LayerPart part) in layer.Parts)
        {
            FfnSpec spec = part.Spec;
            rows = Rows(to, spec.OutputWidth);
            _layers.Run(loaded, new DeviceForwardRows
            {
                Input = new FfnDeviceRows(from.Address, tokens, spec.InputWidth),
                Output = new FfnDeviceRows(rows.Address, tokens, spec.OutputWidth),
                Mode = FfnMode.Ffn,
            });
            if (part.IsSum)
            {
                Mark(rows, static (collective, rows) => collective.QueueAllReduce(rows));
            }

            (from, to) = (to, from);
        }

        if (Leads)
        {
            _collective.Stream.CopyToHost(rows, Host);
        }

        DeviceRegion Rows(DeviceRegion memory, int width) => memory.Slice(0, (long)tokens * width * sizeof(float));
    }

    // An operation of the ranks between two marks of the device's time.
    private void Mark(DeviceRegion rows, Action<NcclCollective, DeviceRegion> operation)
    {
        (CudaEvent start, CudaEvent end) = _marks[_marked++];
        _collective.Stream.Record(start);
        operation(_collective, rows);
        _collective.Stream.Record(end);
        _bytes += rows.Bytes;
    }

    private void Count()
    {
        double milliseconds = 0;
        for (int i = 0; i < _marked; i++)
        {
            milliseconds += _marks[i].End.MillisecondsSince(_marks[i].Start);
        }

        _meter.Count(_marked, _bytes, TimeSpan.FromMilliseconds(milliseconds));
    }
}
