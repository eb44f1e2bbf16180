using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Products;

namespace NativeFfn.Backends.CuBlas.Experts;

/// <summary>A mixture's forward: tokens are routed by the host, each expert runs once on its own, and results are added up.</summary>
/// <remarks>
/// All tokens of a forward are routed before its first expert runs, so that a token that cannot be routed leaves the output as it was. A
/// token's results are added by one thread for each column, best expert first, the shared network after them and the residual last, so that
/// they depend on nobody's pace.
/// </remarks>
internal static class MixtureForward
{
    /// <summary>Queues a chunk's rows and logits; once they have come in, <see cref="HostRouting.Choose"/> chooses experts.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="trace">Receives the rows where one is given, and is waited for.</param>
    public static unsafe void QueueLogits(in MixtureChunk chunk, FfnTrace? trace)
    {
        QueueRows(chunk);
        DeviceRows rows = chunk.Rows;
        int columns = DeviceFormat.Padded(chunk.Spec.InputWidth);
        ProductSteps.Queue(
            chunk.Network(chunk.Weights.Router, rows, output: default, chunk.Tokens), stage: 0, ProductUse.Result,
            new OperandRows(rows.Region(chunk.Tokens, columns), rows.Stride, default), chunk.Scratch.Logits, MixtureScratch.LogitStrideOf(chunk.Weights));
        chunk.Stream.CopyToHost(chunk.Scratch.Logits, chunk.Lane.Routing.Logits);
        if (chunk.Norm.Kind != (int)KernelNorm.None && trace?.Normalized is { } normalized)
        {
            DeviceTrace.Copy(chunk.Stream, rows, chunk.Tokens, normalized, chunk.FirstToken, chunk.Spec.InputWidth);
        }
    }

    /// <summary>Queues what brings the input's rows into the form that router and experts read.</summary>
    public static void QueueRows(in MixtureChunk chunk)
    {
        if (chunk.ReadsInput)
        {
            return;
        }

        DeviceRows rows = chunk.Rows;
        NormArguments norm = chunk.Norm;
        chunk.Kernels.PrepareRows(chunk.Stream, chunk.Tokens, new InputArguments
        {
            Input = chunk.Input.Address,
            InputStride = chunk.Input.Stride,
            Output = rows.Address,
            OutputStride = rows.Stride,
            Norm = norm,
            Width = chunk.Spec.InputWidth,
            PaddedWidth = DeviceFormat.Padded(chunk.Spec.InputWidth),
        });
        chunk.Clock?.Mark(norm.Kind == (int)KernelNorm.None ? FfnStep.Routing : FfnStep.Norm);
    }

    /// <summary>Queues the experts of a chunk whose tokens are routed and whose rows are there, and the sum of their results.</summary>
    public static unsafe void QueueExperts(in MixtureChunk chunk)
    {
        HostRouting routing = chunk.Lane.Routing;
        routing.WriteTables(chunk);
        chunk.Stream.CopyToDevice(routing.Tables, chunk.Scratch.Tables);
        DeviceRows routed = chunk.RowsIn(chunk.Scratch.Routed);
        Gather(chunk, routed);
        for (int expert = 0; expert < chunk.Weights.Experts.Length; expert++)
        {
            int count = routing.Routes.TokensOf(expert).Length;
            if (count > 0)
            {
                chunk.Weights.Tokens.Add(expert, count);
                DeviceRows rows = routed.From(routing.Routes.StartOf(expert));
                DeviceForward.Queue(chunk.Network(chunk.Weights.Experts[expert], rows, rows, count));
            }
        }

        if (chunk.Weights.Shared is { } shared)
        {
            DeviceForward.Queue(chunk.Network(shared, chunk.Rows, chunk.RowsIn(chunk.Scratch.Shared), chunk.Tokens));
        }

        Combine(chunk, routed);
    }

    private static void Gather(in MixtureChunk chunk, DeviceRows routed)
    {
        DeviceRows rows = chunk.Rows;
        chunk.Kernels.GatherRows(chunk.Stream, chunk.Tables.Routes, new GatherArguments
        {
            Input = rows.Address,
            InputStride = rows.Stride,
            Tokens = Table(chunk, RoutingTables.TokensAt),
            Output = routed.Address,
            OutputStride = routed.Stride,
            Width = chunk.Spec.InputWidth,
        });
        chunk.Clock?.Mark(FfnStep.Routing);
    }

    private static void Combine(in MixtureChunk chunk, DeviceRows routed)
    {
        MixtureSpec mixture = chunk.Spec.Mixture!;
        chunk.Kernels.CombineExperts(chunk.Stream, chunk.Tokens, new CombineArguments
        {
            Results = routed.Address,
            ResultStride = routed.Stride,
            Places = Table(chunk, chunk.Tables.PlacesAt),
            Weights = Table(chunk, chunk.Tables.WeightsAt),
            Shared = chunk.Scratch.Shared.Address,
            SharedStride = routed.Stride,
            SharedWeights = mixture.HasSharedGate ? Table(chunk, chunk.Tables.GatesAt) : 0,
            Residual = chunk.Residual.Address,
            ResidualStride = chunk.Residual.Stride,
            Output = chunk.Output.Address,
            OutputStride = chunk.Output.Stride,
            TopK = mixture.TopK,
            Width = chunk.Spec.OutputWidth,
        });
        chunk.Clock?.Mark(FfnStep.Routing);
    }

    // A word of the tables on the device.
    private static nint Table(in MixtureChunk chunk, long word) =>
        chunk.Scratch.Tables.Slice(word * sizeof(int), chunk.Scratch.Tables.Bytes - (word * sizeof(int))).Address;
}
