using NativeFfn.Backends.CuBlas.Gemm;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Weights;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Queues a layer's forward: its groups one after the other, and for a mixture what routes tokens to them and adds up their results.</summary>
/// <remarks>
/// A dense layer is one group. In a mixture all tokens of a forward are routed, by the host, before its first expert runs, so that a token
/// that cannot be routed leaves the output as it was. A token's results are added by one thread for each column, best expert first, the
/// shared network after them and the residual last, so that bits do not depend on the order in which experts are done.
/// </remarks>
internal static class DeviceForward
{
    /// <summary>Queues a forward on rows in the device's memory; the slot's memory is reserved for a chunk of them.</summary>
    /// <param name="run">The rows.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="fromHost">Whether the slot's memory begins with rows from and for the host; then all tokens fit it at once.</param>
    public static void Queue(in DeviceRun run, DeviceLayer layer, bool fromHost)
    {
        int chunkTokens = ForwardScratch.ChunkTokens(layer, run.Tokens, fromHost);
        if (layer.Mixture is not null)
        {
            Route(run, layer, chunkTokens, fromHost);
        }

        for (int first = 0; first < run.Tokens; first += chunkTokens)
        {
            LayerChunk chunk = Chunk(run, layer, first, chunkTokens, fromHost);
            if (layer.Mixture is not null && chunkTokens < run.Tokens)
            {
                // The tables of the chunk before are still on their way.
                run.Stream.Synchronize();
                QueueRows(chunk);
            }

            Queue(chunk);
        }
    }

    /// <summary>Queues a chunk; a mixture's tokens are routed, and its rows are there.</summary>
    public static unsafe void Queue(in LayerChunk chunk)
    {
        if (chunk.Layer.Mixture is not { } mixture)
        {
            GroupForward.Queue(chunk.Whole);
            return;
        }

        HostRouting routing = chunk.Run.Slot.Routing;
        routing.WriteTables(chunk);
        chunk.Run.Stream.CopyToDevice(routing.Tables, chunk.Scratch.Tables);
        DeviceRows routed = chunk.RowsIn(chunk.Scratch.Routed);
        Gather(chunk, routed);
        for (int expert = 0; expert < chunk.Layer.Networks.Length; expert++)
        {
            int count = routing.Routes.TokensOf(expert).Length;
            if (count > 0)
            {
                mixture.Tokens.Add(expert, count);
                DeviceRows rows = routed.From(routing.Routes.StartOf(expert));
                GroupForward.Queue(chunk.Group(chunk.Layer.Networks[expert], rows, rows, count));
            }
        }

        if (mixture.Shared is { } shared)
        {
            GroupForward.Queue(chunk.Group(shared, chunk.Rows, chunk.RowsIn(chunk.Scratch.Shared), chunk.Run.Tokens));
        }

        Combine(chunk, mixture, routed);
    }

    /// <summary>Queues a mixture's rows and logits; once they have come in, <see cref="HostRouting.Choose"/> chooses experts.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="trace">Receives the rows where one is given, and is waited for.</param>
    public static unsafe void QueueLogits(in LayerChunk chunk, FfnTrace? trace)
    {
        QueueRows(chunk);
        DeviceMixture mixture = chunk.Layer.Mixture!;
        DeviceRows rows = chunk.Rows;
        int tokens = chunk.Run.Tokens;
        var operands = new OperandRows(rows.Region(tokens, DeviceFormat.Padded(chunk.Layer.Spec.InputWidth)), rows.Stride, default);
        DeviceGroup router = chunk.Group(mixture.Router, rows, output: default, tokens);
        GemmSteps.Queue(router, stage: 0, GemmUse.Result, operands, chunk.Scratch.Logits, mixture.LogitStride);
        chunk.Run.Stream.CopyToHost(chunk.Scratch.Logits, chunk.Run.Slot.Routing.Logits);
        if (chunk.Norms.Pre.Kind != (int)KernelNorm.None && trace?.Normalized is { } normalized)
        {
            DeviceTrace.Copy(chunk.Run.Stream, rows, tokens, normalized, chunk.FirstToken, chunk.Layer.Spec.InputWidth);
        }
    }

    /// <summary>Queues the prologue of a mixture: the input's rows in the form that router and experts read.</summary>
    public static void QueueRows(in LayerChunk chunk)
    {
        if (chunk.ReadsInput)
        {
            return;
        }

        DeviceRun run = chunk.Run;
        DeviceRows rows = chunk.Rows;
        NormArguments norm = chunk.Norms.Pre;
        run.Slot.Kernels.PrepareRows(run.Stream, run.Tokens, new InputArguments
        {
            Input = run.Input.Address,
            InputStride = run.Input.Stride,
            Output = rows.Address,
            OutputStride = rows.Stride,
            Norm = norm,
            Width = chunk.Layer.Spec.InputWidth,
            PaddedWidth = DeviceFormat.Padded(chunk.Layer.Spec.InputWidth),
        });
        run.Clock?.Mark(norm.Kind == (int)KernelNorm.None ? FfnStep.Routing : FfnStep.Norm);
    }

    private static void Route(in DeviceRun run, DeviceLayer layer, int chunkTokens, bool fromHost)
    {
        if (run.Stream.IsCapturing)
        {
            throw new NotSupportedException(
                "A mixture of experts cannot be captured: its tokens are routed on the host. Capture the layers around it.");
        }

        HostRouting routing = run.Slot.Routing;
        routing.Reserve(run.Slot, layer, run.Tokens, chunkTokens);
        for (int first = 0; first < run.Tokens; first += chunkTokens)
        {
            LayerChunk chunk = Chunk(run, layer, first, chunkTokens, fromHost);
            QueueLogits(chunk, trace: null);
            run.Stream.Synchronize();
            routing.Choose(chunk, trace: null);
        }

        routing.ThrowIfUnroutable();
    }

    private static LayerChunk Chunk(in DeviceRun run, DeviceLayer layer, int first, int chunkTokens, bool fromHost)
    {
        int count = Math.Min(chunkTokens, run.Tokens - first);
        return new LayerChunk
        {
            Run = run.Slice(first, count),
            Layer = layer,
            Scratch = ForwardScratch.In(run.Slot.Scratch, layer, count, fromHost),
            FirstToken = first,
        };
    }

    private static void Gather(in LayerChunk chunk, DeviceRows routed)
    {
        DeviceRows rows = chunk.Rows;
        chunk.Run.Slot.Kernels.GatherRows(chunk.Run.Stream, chunk.Tables.Routes, new GatherArguments
        {
            Input = rows.Address,
            InputStride = rows.Stride,
            Tokens = Table(chunk, RoutingTables.TokensAt),
            Output = routed.Address,
            OutputStride = routed.Stride,
            Width = chunk.Layer.Spec.InputWidth,
        });
        chunk.Run.Clock?.Mark(FfnStep.Routing);
    }

    private static void Combine(in LayerChunk chunk, DeviceMixture mixture, DeviceRows routed)
    {
        DeviceRun run = chunk.Run;
        run.Slot.Kernels.CombineExperts(run.Stream, run.Tokens, new CombineArguments
        {
            Results = routed.Address,
            ResultStride = routed.Stride,
            Rows = Table(chunk, chunk.Tables.RowsAt),
            Weights = Table(chunk, chunk.Tables.WeightsAt),
            Shared = chunk.Scratch.Shared.Address,
            SharedStride = routed.Stride,
            SharedWeights = mixture.Spec.WeighsShared ? Table(chunk, chunk.Tables.GatesAt) : 0,
            Residual = run.Residual.Address,
            ResidualStride = run.Residual.Stride,
            Output = run.Output.Address,
            OutputStride = run.Output.Stride,
            TopK = mixture.Spec.TopK,
            Width = chunk.Layer.Spec.OutputWidth,
        });
        run.Clock?.Mark(FfnStep.Routing);
    }

    // A word of the tables on the device.
    private static nint Table(in LayerChunk chunk, long word) =>
        chunk.Scratch.Tables.Slice(word * sizeof(int), chunk.Scratch.Tables.Bytes - (word * sizeof(int))).Address;
}
