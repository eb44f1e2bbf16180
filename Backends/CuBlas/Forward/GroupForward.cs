using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Weights;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Queues a group's steps: projections by cuBLASLt with the activation kernels between them, or the decode kernels for few tokens.</summary>
/// <remarks>The context is entered; nothing waits, nothing is copied to or from the host, and nothing is allocated once a shape was met.</remarks>
internal static class GroupForward
{
    /// <summary>Queues the group in the way that was found faster for its token count.</summary>
    public static void Queue(in DeviceGroup group)
    {
        if (group.Run.Tokens <= group.Network.DecodeTokens)
        {
            QueueDecode(group);
        }
        else
        {
            QueueGemms(group);
        }
    }

    /// <summary>Queues the group by the decode kernels, which read the weights once for up to <see cref="DeviceKernels.MostVectorTokens"/> tokens.</summary>
    public static void QueueDecode(in DeviceGroup group)
    {
        int slot = 0;
        OperandRows vectors = InputSteps.PrepareVectors(group, group.Scratch.Slot(slot));
        ReadOnlySpan<DeviceStage> stages = group.Network.Stages.AsSpan();
        foreach (DeviceStage stage in stages[..^1])
        {
            slot ^= 1;
            vectors = QueueVectorStage(group, stage, vectors, group.Scratch.Slot(slot));
        }

        ResultSteps.QueueVectorResult(group, stages[^1], vectors);
    }

    /// <summary>Queues the group by cuBLASLt's GEMMs.</summary>
    public static void QueueGemms(in DeviceGroup group)
    {
        int slot = 0;
        OperandRows operands = InputSteps.PrepareOperands(group, group.Scratch.Slot(slot));
        int last = group.Network.Stages.Length - 1;
        for (int stage = 0; stage < last; stage++)
        {
            slot ^= 1;
            operands = HiddenSteps.Queue(group, stage, operands, group.Scratch.Slot(slot));
        }

        ResultSteps.Queue(group, last, operands);
    }

    private static OperandRows QueueVectorStage(in DeviceGroup group, DeviceStage stage, OperandRows vectors, OperandRows target)
    {
        target = target with { Stride = stage.PaddedWidth };
        group.Kernels.VectorStage(group.Run.Stream, new VectorStageArguments
        {
            Weights = stage.Weights.Address,
            WeightStride = stage.Columns,
            Vectors = vectors.Region.Address,
            VectorStride = vectors.Stride,
            Output = target.Region.Address,
            OutputStride = target.Stride,
            Bias = stage.Bias.Address,
            ChannelScales = stage.ChannelScales.Address,
            Tokens = group.Run.Tokens,
            Columns = stage.Columns,
            PaddedWidth = stage.PaddedWidth,
            Width = stage.Shape.Width,
            Kind = stage.Kind,
        });
        group.Run.Clock?.Mark(FfnStep.Gemm);
        return target;
    }
}
