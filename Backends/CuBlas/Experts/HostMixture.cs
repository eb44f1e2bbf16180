using NativeFfn.Backends.CuBlas.Forward;

namespace NativeFfn.Backends.CuBlas.Experts;

/// <summary>Part of a mixture's forward whose rows are the host's: copied to the device, run and copied back, all in the lane's own memory.</summary>
internal readonly ref struct HostMixture
{
    private readonly DeviceLane _lane;
    private readonly MixtureLayer _layer;
    private readonly FfnRows _rows;
    private readonly int _first;
    private readonly int _tokens;
    private readonly MixtureScratch _scratch;
    private readonly StepClock? _clock;

    private HostMixture(DeviceLane lane, MixtureLayer layer, in FfnRows rows, int first, int tokens, StepClock? clock)
    {
        _lane = lane;
        _layer = layer;
        _rows = rows;
        _first = first;
        _tokens = tokens;
        _clock = clock;
        _scratch = MixtureScratch.In(lane, layer.Weights, tokens, fromHost: true);
    }

    // Where rows lie in the pinned memory, in elements.
    private long ResidualOffset => (long)_tokens * _layer.Spec.InputWidth;

    private long OutputOffset => ResidualOffset + ((long)_tokens * _layer.Spec.OutputWidth);

    private bool AddsInput => HostForward.AddsInput(_rows);

    private bool HasRowsToAdd => _rows.Mode == FfnMode.Residual && !AddsInput;

    private MixtureChunk Chunk => new()
    {
        Lane = _lane,
        Weights = _layer.Weights,
        Scratch = _scratch,
        FirstToken = _first,
        Tokens = _tokens,
        Input = InputRows,
        Residual = AddsInput ? InputRows : HasRowsToAdd ? new DeviceRows(_scratch.Residual.Address, _layer.Spec.OutputWidth) : default,
        Output = new DeviceRows(_scratch.Output.Address, _layer.Spec.OutputWidth),
        IsBlock = _rows.Mode == FfnMode.Block,
        Clock = _clock,
    };

    private DeviceRows InputRows => new(_scratch.Input.Address, _layer.Spec.InputWidth);

    /// <summary>Runs rows in chunks, and returns when the output is written.</summary>
    /// <param name="lane">The lane; its context is entered.</param>
    /// <param name="layer">The layer, which is held.</param>
    /// <param name="rows">Rows, of which there is at least one.</param>
    /// <exception cref="ArgumentException">A token's logits are not all finite; nothing was written.</exception>
    public static void Run(DeviceLane lane, MixtureLayer layer, in FfnRows rows)
    {
        using StepClock? clock = rows.Profile is null ? null : new StepClock(lane.Context, lane.Stream);
        int tokens = rows.Input.Height;
        int chunkTokens = layer.ChunkTokens(tokens, fromHost: true);
        lane.ReserveHost(DeviceScratch.HostElements(layer.Spec, chunkTokens) * sizeof(float));
        lane.Routing.Reserve(lane, layer, tokens, chunkTokens);
        for (int first = 0; first < tokens; first += chunkTokens)
        {
            var part = new HostMixture(lane, layer, rows, first, Math.Min(chunkTokens, tokens - first), clock);
            part.CopyInput();
            MixtureForward.Route(part.Chunk, rows.Trace);
        }

        lane.Routing.ThrowIfUnroutable();
        for (int first = 0; first < tokens; first += chunkTokens)
        {
            var part = new HostMixture(lane, layer, rows, first, Math.Min(chunkTokens, tokens - first), clock);
            if (chunkTokens < tokens)
            {
                part.CopyInput();
                MixtureForward.QueueRows(part.Chunk);
            }

            part.Run();
        }

        clock?.AddTo(rows.Profile!);
    }

    private unsafe void CopyInput()
    {
        _lane.Host.Write(_rows.Input.Slice(_first, 0, _tokens, _rows.Input.Width), 0);
        _lane.Stream.CopyToDevice(_lane.Host.At(0), _scratch.Input);
        _clock?.Mark(null);
    }

    private unsafe void Run()
    {
        if (HasRowsToAdd)
        {
            _lane.Host.Write(_rows.Residual.Slice(_first, 0, _tokens, _rows.Residual.Width), ResidualOffset);
            _lane.Stream.CopyToDevice(_lane.Host.At(ResidualOffset), _scratch.Residual);
            _clock?.Mark(null);
        }

        MixtureForward.QueueExperts(Chunk);
        _lane.Stream.CopyToHost(_scratch.Output, _lane.Host.At(OutputOffset));
        _clock?.Mark(null);
        _lane.Stream.Synchronize();
        _lane.Host.Read(_rows.Output.Slice(_first, 0, _tokens, _rows.Output.Width), OutputOffset);
    }
}
