using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Weights;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Queues a chunk's steps: projections by cuBLASLt with the activation kernels between them, or the decode kernels for few tokens.</summary>
/// <remarks>The context is entered; nothing waits, nothing is copied to or from the host, and nothing is allocated once a shape was met.</remarks>
internal static class DeviceForward
{
    /// <summary>Queues the chunk in the way that was found faster for its token count.</summary>
    public static void Queue(in DeviceChunk chunk)
    {
        if (chunk.Tokens <= chunk.Network.DecodeTokens)
        {
            QueueDecode(chunk);
        }
        else
        {
            QueueProducts(chunk);
        }
    }

    /// <summary>Queues the chunk by the decode kernels, which read the weights once for up to <see cref="DeviceKernels.MostVectorTokens"/> tokens.</summary>
    public static void QueueDecode(in DeviceChunk chunk)
    {
        int slot = 0;
        OperandRows vectors = InputSteps.PrepareVectors(chunk, chunk.Scratch.Slot(slot));
        ReadOnlySpan<DeviceStage> stages = chunk.Weights.Stages.AsSpan();
        foreach (DeviceStage stage in stages[..^1])
        {
            slot ^= 1;
            vectors = QueueVectorStage(chunk, stage, vectors, chunk.Scratch.Slot(slot));
        }

        ResultSteps.QueueVectorResult(chunk, stages[^1], vectors);
    }

    /// <summary>Queues the chunk by cuBLASLt's products.</summary>
    public static void QueueProducts(in DeviceChunk chunk)
    {
        int slot = 0;
        OperandRows operands = InputSteps.PrepareOperands(chunk, chunk.Scratch.Slot(slot));
        int last = chunk.Weights.Stages.Length - 1;
        for (int stage = 0; stage < last; stage++)
        {
            slot ^= 1;
            operands = HiddenSteps.Queue(chunk, stage, operands, chunk.Scratch.Slot(slot));
        }

        ResultSteps.Queue(chunk, last, operands);
    }

    private static OperandRows QueueVectorStage(in DeviceChunk chunk, DeviceStage stage, OperandRows vectors, OperandRows target)
    {
        target = target with { Stride = stage.PaddedWidth };
        chunk.Kernels.VectorStage(chunk.Stream, new VectorStageArguments
        {
            Weights = stage.Weights.Address,
            WeightStride = stage.Columns,
            Vectors = vectors.Region.Address,
            VectorStride = vectors.Stride,
            Output = target.Region.Address,
            OutputStride = target.Stride,
            Bias = stage.Bias.Address,
            ChannelScales = stage.ChannelScales.Address,
            Tokens = chunk.Tokens,
            Columns = stage.Columns,
            PaddedWidth = stage.PaddedWidth,
            Width = stage.Shape.Width,
            Activation = Activation.All.IndexOf(stage.Shape.Kind.Activation),
            Gated = stage.Shape.Kind.Gated ? 1 : 0,
        });
        chunk.Clock?.Mark(FfnStep.Gemm);
        return target;
    }
}
