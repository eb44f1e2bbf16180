using System.Runtime.CompilerServices;
using CommunityToolkit.HighPerformance;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Layers;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Part of a forward whose rows are the host's: copied to the device, run and copied back, all in the lane's own memory.</summary>
internal readonly ref struct HostForward
{
    private readonly DeviceLane _lane;
    private readonly NetworkLayer _layer;
    private readonly DeviceScratch _scratch;
    private readonly FfnMode _mode;
    private readonly bool _addsInput;
    private readonly int _tokens;
    private readonly StepClock? _clock;

    private HostForward(DeviceLane lane, NetworkLayer layer, in FfnRows rows, int tokens, StepClock? clock)
    {
        _lane = lane;
        _layer = layer;
        _mode = rows.Mode;
        _addsInput = AddsInput(rows);
        _tokens = tokens;
        _clock = clock;
        _scratch = DeviceScratch.In(lane, layer.Network.Weights, tokens, fromHost: true);
    }

    // Where rows lie in the pinned memory, in elements.
    private long ResidualOffset => (long)_tokens * _layer.Spec.InputWidth;

    private long OutputOffset => ResidualOffset + ((long)_tokens * _layer.Spec.OutputWidth);

    /// <summary>Runs rows in chunks, and returns when the output is written.</summary>
    /// <param name="lane">The lane; its context is entered.</param>
    /// <param name="layer">The layer, which is held.</param>
    /// <param name="rows">Rows, of which there is at least one.</param>
    public static void Run(DeviceLane lane, NetworkLayer layer, in FfnRows rows)
    {
        using StepClock? clock = rows.Profile is null ? null : new StepClock(lane.Context, lane.Stream);
        int tokens = rows.Input.Height;
        int chunkTokens = DeviceScratch.ChunkTokens(layer.Network.Weights, tokens, fromHost: true);
        for (int first = 0; first < tokens; first += chunkTokens)
        {
            HostForward chunk = Start(lane, layer, rows, first, Math.Min(chunkTokens, tokens - first), clock);
            lane.Stream.Synchronize();
            chunk.Finish(rows, first);
        }

        clock?.AddTo(rows.Profile!);
    }

    /// <summary>The same without holding a thread; every part of it enters the context itself.</summary>
    /// <param name="lane">The lane.</param>
    /// <param name="layer">The layer, which is held.</param>
    /// <param name="rows">Rows, of which there is at least one.</param>
    /// <param name="cancellationToken">Looked at before anything is queued: the output may be the input, and is written whole or not at all.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public static async ValueTask RunAsync(DeviceLane lane, NetworkLayer layer, FfnMemoryRows rows, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        int chunkTokens = DeviceScratch.ChunkTokens(layer.Network.Weights, rows.Tokens, fromHost: true);
        for (int first = 0; first < rows.Tokens; first += chunkTokens)
        {
            int count = Math.Min(chunkTokens, rows.Tokens - first);
            await StartAsync(lane, layer, rows, first, count).ConfigureAwait(false);
            Finish(lane, layer, rows, first, count);
        }
    }

    /// <summary>Queues the copies and the steps between them.</summary>
    public unsafe void Queue()
    {
        _lane.Stream.CopyToDevice(_lane.Host.At(0), _scratch.Input);
        if (HasRowsToAdd)
        {
            _lane.Stream.CopyToDevice(_lane.Host.At(ResidualOffset), _scratch.Residual);
        }

        _clock?.Mark(null);
        DeviceForward.Queue(Chunk(_clock));
        _lane.Stream.CopyToHost(_scratch.Output, _lane.Host.At(OutputOffset));
        _clock?.Mark(null);
    }

    private bool HasRowsToAdd => _mode == FfnMode.Residual && !_addsInput;

    /// <summary>Whether what is added is the input, so that it need not be copied to the device twice.</summary>
    public static bool AddsInput(in FfnRows rows) =>
        rows.Mode == FfnMode.Block || (rows.Mode == FfnMode.Residual && IsInput(rows));

    private static bool IsInput(in FfnRows rows) =>
        Unsafe.AreSame(in rows.Input.DangerousGetReference(), in rows.Residual.DangerousGetReference())
        && rows.Input.Width == rows.Residual.Width && FfnRows.StrideOf(rows.Input) == FfnRows.StrideOf(rows.Residual);

    private static ValueTask StartAsync(DeviceLane lane, NetworkLayer layer, FfnMemoryRows rows, int first, int tokens)
    {
        using CudaContext.Scope scope = lane.Context.Enter();
        _ = Start(lane, layer, rows.Rows, first, tokens, clock: null);
        return layer.Completions.WaitFor(lane);
    }

    private static void Finish(DeviceLane lane, NetworkLayer layer, FfnMemoryRows rows, int first, int tokens) =>
        new HostForward(lane, layer, rows.Rows, tokens, clock: null).Finish(rows.Rows, first);

    // Copies rows into pinned memory and queues the rest.
    private static HostForward Start(DeviceLane lane, NetworkLayer layer, in FfnRows rows, int first, int tokens, StepClock? clock)
    {
        lane.ReserveHost(DeviceScratch.HostElements(layer.Spec, tokens) * sizeof(float));
        var chunk = new HostForward(lane, layer, rows, tokens, clock);
        lane.Host.Write(chunk.Part(rows.Input, first), 0);
        if (chunk.HasRowsToAdd)
        {
            lane.Host.Write(chunk.Part(rows.Residual, first), chunk.ResidualOffset);
        }

        if (rows.Trace is { } trace)
        {
            chunk.Queue();
            DeviceTrace.Read(chunk.Chunk(clock: null), trace, first);
        }
        else if (tokens <= DecodeGraphs.MostTokens && clock is null)
        {
            lane.Graphs.Run(lane, new DecodeGraphs.Key(layer, rows.Mode, chunk._addsInput, tokens), chunk);
        }
        else
        {
            chunk.Queue();
        }

        return chunk;
    }

    // What came back, to where the caller wants it.
    private void Finish(in FfnRows rows, int first) =>
        _lane.Host.Read(rows.Output.Slice(first, 0, _tokens, rows.Output.Width), OutputOffset);

    private ReadOnlySpan2D<float> Part(ReadOnlySpan2D<float> rows, int first) => rows.Slice(first, 0, _tokens, rows.Width);

    private DeviceChunk Chunk(StepClock? clock)
    {
        FfnSpec spec = _layer.Spec;
        var input = new DeviceRows(_scratch.Input.Address, spec.InputWidth);
        return new DeviceChunk
        {
            Lane = _lane,
            Network = _layer.Network,
            Scratch = _scratch,
            Tokens = _tokens,
            Input = input,
            Residual = _addsInput ? input : HasRowsToAdd ? new DeviceRows(_scratch.Residual.Address, spec.OutputWidth) : default,
            Output = new DeviceRows(_scratch.Output.Address, spec.OutputWidth),
            IsBlock = _mode == FfnMode.Block,
            Clock = clock,
        };
    }
}
