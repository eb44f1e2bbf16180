using System.Runtime.CompilerServices;
using CommunityToolkit.HighPerformance;

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

    private HostForward(DeviceLane lane, NetworkLayer layer, FfnMode mode, bool addsInput, int tokens, StepClock? clock)
    {
        _lane = lane;
        _layer = layer;
        _mode = mode;
        _addsInput = addsInput;
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
        lane.ReserveHost(DeviceScratch.HostElements(layer.Spec, chunkTokens) * sizeof(float));
        bool addsInput = AddsInput(rows);
        for (int first = 0; first < tokens; first += chunkTokens)
        {
            var chunk = new HostForward(lane, layer, rows.Mode, addsInput, Math.Min(chunkTokens, tokens - first), clock);
            chunk.Run(rows, first);
        }

        clock?.AddTo(rows.Profile!);
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

    private void Run(in FfnRows rows, int first)
    {
        _lane.Host.Write(Part(rows.Input, first), 0);
        if (HasRowsToAdd)
        {
            _lane.Host.Write(Part(rows.Residual, first), ResidualOffset);
        }

        if (rows.Trace is { } trace)
        {
            Queue();
            DeviceTrace.Read(Chunk(clock: null), trace, first);
        }
        else if (_tokens <= DecodeGraphs.MostTokens && _clock is null)
        {
            _lane.Graphs.Run(_lane, new DecodeGraphs.Key(_layer, _mode, _addsInput, _tokens), this);
        }
        else
        {
            Queue();
        }

        _lane.Stream.Synchronize();
        _lane.Host.Read(rows.Output.Slice(first, 0, _tokens, rows.Output.Width), OutputOffset);
    }

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
