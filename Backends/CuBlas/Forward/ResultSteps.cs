using NativeFfn.Backends.CuBlas.Gemm;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Queues the last stage, whose result is float32, and what follows it: bias, residual and the block's later norms.</summary>
internal static class ResultSteps
{
    /// <summary>By cuBLASLt: in one GEMM where nothing follows that it cannot add, else by a kernel after it.</summary>
    public static void Queue(in DeviceGroup group, int stage, OperandRows operands)
    {
        DeviceStage weights = group.Network.Stages[stage];
        if (weights.Shape.Kind != FfnKind.Linear)
        {
            QueueActivated(group, stage, operands);
            return;
        }

        bool hasBias = weights.Bias.Bytes > 0;
        bool isDirect = !group.Norms.FollowResult && !group.Format.IsScaled
            && GemmSteps.CanWrite(group.Run.Output, group.Run.Residual, group.Run.Tokens, weights.Shape.Width);
        if (isDirect && GemmSteps.TryQueue(
            group, stage, hasBias ? GemmUse.BiasedResult : GemmUse.Result, operands,
            group.Run.Output.Region(group.Run.Tokens, weights.Shape.Width), group.Run.Output.Stride, group.Run.Residual))
        {
            return;
        }

        DeviceRows result = Scratch(group);
        GemmSteps.Queue(group, stage, GemmUse.Result, operands, group.Scratch.Result, result.Stride);
        Finish(group, result, weights.Bias, weights.ChannelScales, operands.Scales);
    }

    /// <summary>By the decode kernel, which adds bias and residual itself.</summary>
    public static void QueueVectorResult(in DeviceGroup group, DeviceStage last, OperandRows vectors)
    {
        DeviceRows result = group.Norms.FollowResult ? Scratch(group) : group.Run.Output;
        DeviceRows residual = group.Norms.FollowResult ? default : group.Run.Residual;
        group.Kernels.VectorResult(group.Run.Stream, new VectorResultArguments
        {
            Weights = last.Weights.Address,
            WeightStride = last.Columns,
            Vectors = vectors.Region.Address,
            VectorStride = vectors.Stride,
            Output = result.Address,
            OutputStride = result.Stride,
            Residual = residual.Address,
            ResidualStride = residual.Stride,
            Bias = last.Bias.Address,
            ChannelScales = last.ChannelScales.Address,
            Tokens = group.Run.Tokens,
            Columns = last.Columns,
            Width = last.Shape.Width,
        });
        group.Run.Clock?.Mark(FfnStep.Gemm);
        if (group.Norms.FollowResult)
        {
            Finish(group, result, bias: default, channelScales: default, tokenScales: default);
        }
    }

    // A stack's last stage may have an activation, after which there is no bias any more.
    private static void QueueActivated(in DeviceGroup group, int stage, OperandRows operands)
    {
        HiddenSteps.QueueGemm(group, stage, operands);
        bool isLast = group.Run.Residual.IsNone && !group.Norms.FollowResult;
        DeviceRows result = isLast ? group.Run.Output : Scratch(group);
        group.Kernels.ActivateResult(group.Run.Stream, group.Run.Tokens, HiddenSteps.ActivationOf(
            group, group.Network.Stages[stage], operands, result.Address, result.Stride, outputScales: 0));
        group.Run.Clock?.Mark(FfnStep.Activation);
        if (!isLast)
        {
            Finish(group, result, bias: default, channelScales: default, tokenScales: default);
        }
    }

    private static void Finish(in DeviceGroup group, DeviceRows result, DeviceRegion bias, DeviceRegion channelScales, DeviceRegion tokenScales)
    {
        group.Kernels.Finish(group.Run.Stream, group.Run.Tokens, new FinishArguments
        {
            Product = result.Address,
            ProductStride = result.Stride,
            Bias = bias.Address,
            ChannelScales = channelScales.Address,
            TokenScales = tokenScales.Address,
            Residual = group.Run.Residual.Address,
            ResidualStride = group.Run.Residual.Stride,
            Output = group.Run.Output.Address,
            OutputStride = group.Run.Output.Stride,
            Branch = group.Norms.Branch,
            Post = group.Norms.Post,
            Width = group.Network.Spec.OutputWidth,
        });
        group.Run.Clock?.Mark(group.Norms.FollowResult ? FfnStep.Norm : FfnStep.Residual);
    }

    private static DeviceRows Scratch(in DeviceGroup group) =>
        new(group.Scratch.Result.Address, DeviceFormat.Padded(group.Network.Spec.OutputWidth));
}
