using System.Runtime.CompilerServices;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Bindings.Cuda;

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

    private HostMixture(DeviceLane lane, MixtureLayer layer, FfnRows rows, int first, int tokens, StepClock? clock)
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
        int chunkTokens = Reserve(lane, layer, tokens);
        for (int first = 0; first < tokens; first += chunkTokens)
        {
            var part = new HostMixture(lane, layer, rows, first, Math.Min(chunkTokens, tokens - first), clock);
            part.QueueLogits();
            lane.Stream.Synchronize();
            lane.Routing.Choose(part.Chunk, rows.Trace?.Routing);
        }

        lane.Routing.ThrowIfUnroutable();
        for (int first = 0; first < tokens; first += chunkTokens)
        {
            var part = new HostMixture(lane, layer, rows, first, Math.Min(chunkTokens, tokens - first), clock);
            part.QueueExperts(hasRows: chunkTokens == tokens);
            lane.Stream.Synchronize();
            part.ReadOutput();
        }

        clock?.AddTo(rows.Profile!);
    }

    /// <summary>The same without holding a thread; every part of it enters the context itself.</summary>
    /// <param name="lane">The lane.</param>
    /// <param name="layer">The layer, which is held.</param>
    /// <param name="rows">Rows, of which there is at least one.</param>
    /// <param name="cancellationToken">Looked at before each chunk is routed, and no more once output is written.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public static async ValueTask RunAsync(DeviceLane lane, MixtureLayer layer, FfnMemoryRows rows, CancellationToken cancellationToken)
    {
        int chunkTokens = Reserve(lane, layer, rows.Tokens);
        for (int first = 0; first < rows.Tokens; first += chunkTokens)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = Math.Min(chunkTokens, rows.Tokens - first);
            await QueueLogitsAsync(lane, layer, rows, first, count).ConfigureAwait(false);
            Choose(lane, layer, rows, first, count);
        }

        lane.Routing.ThrowIfUnroutable();
        for (int first = 0; first < rows.Tokens; first += chunkTokens)
        {
            int count = Math.Min(chunkTokens, rows.Tokens - first);
            await QueueExpertsAsync(lane, layer, rows, first, count).ConfigureAwait(false);
            ReadOutput(lane, layer, rows, first, count);
        }
    }

    private static int Reserve(DeviceLane lane, MixtureLayer layer, int tokens)
    {
        int chunkTokens = layer.ChunkTokens(tokens, fromHost: true);
        lane.ReserveHost(DeviceScratch.HostElements(layer.Spec, chunkTokens) * sizeof(float));
        lane.Routing.Reserve(lane, layer, tokens, chunkTokens);
        return chunkTokens;
    }

    private static HostMixture Part(DeviceLane lane, MixtureLayer layer, FfnMemoryRows rows, int first, int count) =>
        new(lane, layer, rows.Rows, first, count, clock: null);

    private static ValueTask QueueLogitsAsync(DeviceLane lane, MixtureLayer layer, FfnMemoryRows rows, int first, int count)
    {
        using CudaContext.Scope scope = lane.Context.Enter();
        Part(lane, layer, rows, first, count).QueueLogits();
        return layer.Completions.WaitFor(lane);
    }

    private static void Choose(DeviceLane lane, MixtureLayer layer, FfnMemoryRows rows, int first, int count) =>
        lane.Routing.Choose(Part(lane, layer, rows, first, count).Chunk, trace: null);

    private static ValueTask QueueExpertsAsync(DeviceLane lane, MixtureLayer layer, FfnMemoryRows rows, int first, int count)
    {
        using CudaContext.Scope scope = lane.Context.Enter();
        Part(lane, layer, rows, first, count).QueueExperts(hasRows: count == rows.Tokens);
        return layer.Completions.WaitFor(lane);
    }

    private static void ReadOutput(DeviceLane lane, MixtureLayer layer, FfnMemoryRows rows, int first, int count) =>
        Part(lane, layer, rows, first, count).ReadOutput();

    private void QueueLogits()
    {
        CopyInput();
        MixtureForward.QueueLogits(Chunk, _rows.Trace);
    }

    private unsafe void CopyInput()
    {
        _lane.Host.Write(_rows.Input.Slice(_first, 0, _tokens, _rows.Input.Width), 0);
        _lane.Stream.CopyToDevice(_lane.Host.At(0), _scratch.Input);
        _clock?.Mark(null);
    }

    // Of several chunks, each but the last one's rows have been overwritten by the next one's.
    private unsafe void QueueExperts(bool hasRows)
    {
        if (!hasRows)
        {
            CopyInput();
            MixtureForward.QueueRows(Chunk);
        }

        if (HasRowsToAdd)
        {
            _lane.Host.Write(_rows.Residual.Slice(_first, 0, _tokens, _rows.Residual.Width), ResidualOffset);
            _lane.Stream.CopyToDevice(_lane.Host.At(ResidualOffset), _scratch.Residual);
            _clock?.Mark(null);
        }

        MixtureForward.QueueExperts(Chunk);
        _lane.Stream.CopyToHost(_scratch.Output, _lane.Host.At(OutputOffset));
        _clock?.Mark(null);
    }

    private void ReadOutput() => _lane.Host.Read(_rows.Output.Slice(_first, 0, _tokens, _rows.Output.Width), OutputOffset);
}
