using System.Runtime.CompilerServices;
using CommunityToolkit.HighPerformance;
using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>A step of a forward whose rows are the host's: a chunk is copied to the device, run and copied back, all in the slot's memory.</summary>
internal readonly ref struct HostForward
{
    private readonly DeviceLayer _layer;
    private readonly ReadOnlySpan<ILoadedLayer> _next;
    private readonly FfnRows _rows;
    private readonly HostStep _step;
    private readonly LayerChunk _chunk;
    private readonly bool _addsInput;

    private HostForward(
        StreamSlot slot, DeviceLayer layer, ReadOnlySpan<ILoadedLayer> next, in FfnRows rows, HostStep step, StepClock? clock)
    {
        _layer = layer;
        _next = next;
        _rows = rows;
        _step = step;
        _addsInput = next.IsEmpty ? AddsInput(rows) : rows.Mode != FfnMode.Ffn;
        FfnSpec spec = layer.Spec;
        ForwardScratch scratch = ForwardScratch.In(slot.Scratch, layer, step.Tokens, fromHost: true);
        var input = new DeviceRows(scratch.Input.Address, spec.InputWidth);
        _chunk = new LayerChunk
        {
            Run = new DeviceRun
            {
                Slot = slot,
                Tokens = step.Tokens,
                Input = input,
                Residual = _addsInput ? input : HasRowsToAdd ? new DeviceRows(scratch.Residual.Address, spec.OutputWidth) : default,
                Output = new DeviceRows(scratch.Output.Address, spec.OutputWidth),
                IsBlock = rows.Mode == FfnMode.Block,
                Clock = clock,
            },
            Layer = layer,
            Scratch = scratch,
            FirstToken = step.First,
        };
    }

    // Where rows lie in the pinned memory, in elements.
    private long ResidualOffset => (long)_step.Tokens * _layer.Spec.InputWidth;

    private long OutputOffset => ResidualOffset + ((long)_step.Tokens * _layer.Spec.OutputWidth);

    private bool HasRowsToAdd => _rows.Mode == FfnMode.Residual && !_addsInput;

    // A mixture's rows have been there since its tokens were routed, unless the next chunk's have overwritten them.
    private bool HasInput => _step.IsRouted && _step.Tokens == _step.AllTokens;

    private StreamSlot Slot => _chunk.Run.Slot;

    /// <summary>Runs rows in chunks, each through all layers, and returns when the output is written.</summary>
    /// <param name="slot">The slot; its context is entered.</param>
    /// <param name="layer">The layer, which is held.</param>
    /// <param name="next">Layers of one width that follow, held as well; with any, each one's residual is its input.</param>
    /// <param name="rows">Rows, of which there is at least one.</param>
    /// <exception cref="ArgumentException">A token's logits are not all finite; of a single mixture nothing was written.</exception>
    public static void Run(StreamSlot slot, DeviceLayer layer, ReadOnlySpan<ILoadedLayer> next, in FfnRows rows)
    {
        using StepClock? clock = rows.Profile is null ? null : new StepClock(slot.Context, slot.Stream);
        for (HostStep step = Start(slot, layer, next, rows.Input.Height); !step.IsDone; step = step.Next())
        {
            var forward = new HostForward(slot, layer, next, rows, step, clock);
            forward.Queue();
            slot.Stream.Synchronize();
            forward.Complete();
        }

        clock?.AddTo(rows.Profile!);
    }

    /// <summary>Runs rows without holding a thread; every part of it enters the context itself.</summary>
    /// <param name="slot">The slot.</param>
    /// <param name="layer">The layer, which is held.</param>
    /// <param name="rows">Rows, of which there is at least one.</param>
    /// <param name="cancellationToken">
    /// Looked at before anything is queued and while tokens are routed: the output may be the input, and is written whole or not at all.
    /// </param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public static async ValueTask RunAsync(StreamSlot slot, DeviceLayer layer, FfnMemoryRows rows, CancellationToken cancellationToken)
    {
        for (HostStep step = Start(slot, layer, [], rows.Tokens); !step.IsDone; step = step.Next())
        {
            if (step.First == 0 || step.Routes)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }

            await QueueAsync(slot, layer, rows, step).ConfigureAwait(false);
            Complete(slot, layer, rows, step);
        }
    }

    /// <summary>Queues the copies and the layers between them.</summary>
    public unsafe void QueueLayers()
    {
        DeviceRun run = _chunk.Run;
        if (!HasInput)
        {
            CopyInput();
        }

        if (HasRowsToAdd)
        {
            run.Stream.CopyToDevice(Slot.Host.At(ResidualOffset), _chunk.Scratch.Residual);
        }

        run.Clock?.Mark(null);
        if (_step.IsRouted && !HasInput)
        {
            DeviceForward.QueueRows(_chunk);
        }

        if (_next.IsEmpty)
        {
            DeviceForward.Queue(_chunk);
        }
        else
        {
            DeviceForward.Queue(run, _layer, fromHost: true);
        }

        foreach (ILoadedLayer next in _next)
        {
            DeviceRun following = run with { Input = run.Output, Residual = _addsInput ? run.Output : default };
            DeviceForward.Queue(following, CuBlasLayer.LayerOf(next), fromHost: true);
        }

        run.Stream.CopyToHost(_chunk.Scratch.Output, Slot.Host.At(OutputOffset));
        run.Clock?.Mark(null);
    }

    // The memory may not move from one layer to the next, nor while anything runs in it.
    private static HostStep Start(StreamSlot slot, DeviceLayer layer, ReadOnlySpan<ILoadedLayer> next, int tokens)
    {
        int chunkTokens = ForwardScratch.ChunkTokens(layer, tokens, fromHost: true);
        foreach (ILoadedLayer following in next)
        {
            chunkTokens = Math.Min(chunkTokens, ForwardScratch.ChunkTokens(CuBlasLayer.LayerOf(following), tokens, fromHost: true));
        }

        long bytes = ForwardScratch.BytesOf(layer, chunkTokens, fromHost: true);
        foreach (ILoadedLayer following in next)
        {
            bytes = Math.Max(bytes, ForwardScratch.BytesOf(CuBlasLayer.LayerOf(following), chunkTokens, fromHost: true));
        }

        slot.ReserveHost(ForwardScratch.HostElements(layer.Spec, chunkTokens) * sizeof(float));
        slot.Reserve(bytes);
        bool routes = layer.Mixture is not null && next.IsEmpty;
        if (routes)
        {
            slot.Routing.Reserve(slot, layer, tokens, chunkTokens);
        }

        return new HostStep(routes, routes, 0, tokens, chunkTokens);
    }

    private static ValueTask QueueAsync(StreamSlot slot, DeviceLayer layer, FfnMemoryRows rows, HostStep step)
    {
        using CudaContext.Scope scope = slot.Context.Enter();
        new HostForward(slot, layer, [], rows.Rows, step, clock: null).Queue();
        return layer.Completions.WaitFor(slot);
    }

    private static void Complete(StreamSlot slot, DeviceLayer layer, FfnMemoryRows rows, HostStep step) =>
        new HostForward(slot, layer, [], rows.Rows, step, clock: null).Complete();

    // Whether what is added is the input, so that it need not be copied to the device twice.
    private static bool AddsInput(in FfnRows rows) =>
        rows.Mode == FfnMode.Block || (rows.Mode == FfnMode.Residual && IsInput(rows));

    private static bool IsInput(in FfnRows rows) =>
        Unsafe.AreSame(in rows.Input.DangerousGetReference(), in rows.Residual.DangerousGetReference())
        && rows.Input.Width == rows.Residual.Width && FfnRows.StrideOf(rows.Input) == FfnRows.StrideOf(rows.Residual);

    // Copies rows into pinned memory and queues the rest.
    private void Queue()
    {
        if (!HasInput)
        {
            Slot.Host.Write(Part(_rows.Input), 0);
        }

        if (_step.Routes)
        {
            CopyInput();
            _chunk.Run.Clock?.Mark(null);
            DeviceForward.QueueLogits(_chunk, _rows.Trace);
            return;
        }

        if (HasRowsToAdd)
        {
            Slot.Host.Write(Part(_rows.Residual), ResidualOffset);
        }

        bool isPlain = _next.IsEmpty && !_step.IsRouted;
        if (isPlain && _rows.Trace is { } trace)
        {
            QueueLayers();
            LayerChunk untimed = _chunk with { Run = _chunk.Run with { Clock = null } };
            DeviceTrace.Read(untimed.Whole, trace, _step.First);
        }
        else if (isPlain && _step.Tokens <= DecodeGraphs.MostTokens && _chunk.Run.Clock is null)
        {
            Slot.Graphs.Run(Slot, new DecodeGraphs.Key(_layer, _rows.Mode, _addsInput, _step.Tokens), this);
        }
        else
        {
            QueueLayers();
        }
    }

    // What came back: the logits for the router, or the output to where the caller wants it.
    private void Complete()
    {
        if (_step.Routes)
        {
            Slot.Routing.Choose(_chunk, _rows.Trace?.Routing);
            if (_step.IsLast)
            {
                Slot.Routing.ThrowIfUnroutable();
            }
        }
        else
        {
            Slot.Host.Read(_rows.Output.Slice(_step.First, 0, _step.Tokens, _rows.Output.Width), OutputOffset);
        }
    }

    private unsafe void CopyInput() => _chunk.Run.Stream.CopyToDevice(Slot.Host.At(0), _chunk.Scratch.Input);

    private ReadOnlySpan2D<float> Part(ReadOnlySpan2D<float> rows) => rows.Slice(_step.First, 0, _step.Tokens, rows.Width);
}

/// <summary>A step of a forward in chunks: a mixture's are all routed before the first is run.</summary>
/// <param name="IsMixture">Whether tokens are routed at all.</param>
/// <param name="Routes">Whether the step routes its chunk; else it runs it.</param>
/// <param name="First">The chunk's first token.</param>
/// <param name="AllTokens">Tokens of the forward.</param>
/// <param name="ChunkTokens">Tokens of every chunk but the last.</param>
internal readonly record struct HostStep(bool IsMixture, bool Routes, int First, int AllTokens, int ChunkTokens)
{
    /// <summary>Tokens of the chunk.</summary>
    public int Tokens => Math.Min(ChunkTokens, AllTokens - First);

    /// <summary>Whether the chunk is run after it was routed.</summary>
    public bool IsRouted => IsMixture && !Routes;

    /// <summary>Whether this is the last chunk.</summary>
    public bool IsLast => First + Tokens == AllTokens;

    /// <summary>Whether nothing is left to do.</summary>
    public bool IsDone => First >= AllTokens;

    /// <summary>The step that follows.</summary>
    public HostStep Next() => Routes && IsLast ? this with { Routes = false, First = 0 } : this with { First = First + Tokens };
}
