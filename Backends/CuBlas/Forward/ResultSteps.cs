using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Products;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Queues the last stage, whose result is float32, and what follows it: bias, residual and the block's later norms.</summary>
internal static class ResultSteps
{
    /// <summary>By cuBLASLt: in one product where nothing follows that it cannot add, else by a kernel after it.</summary>
    public static void Queue(in DeviceChunk chunk, int stage, OperandRows operands)
    {
        DeviceStage weights = chunk.Weights.Stages[stage];
        if (weights.Shape.Kind != FfnKind.Linear)
        {
            QueueActivated(chunk, stage, operands);
            return;
        }

        bool hasBias = weights.Bias.Bytes > 0;
        bool isDirect = !chunk.HasLaterNorms && !chunk.Format.IsScaled
            && ProductSteps.CanWrite(chunk.Output, chunk.Residual, chunk.Tokens, weights.Shape.Width);
        if (isDirect && ProductSteps.TryQueue(
            chunk, stage, hasBias ? ProductUse.BiasedResult : ProductUse.Result, operands,
            chunk.Output.Region(chunk.Tokens, weights.Shape.Width), chunk.Output.Stride, chunk.Residual))
        {
            return;
        }

        DeviceRows result = Scratch(chunk);
        ProductSteps.Queue(chunk, stage, ProductUse.Result, operands, chunk.Scratch.Result, result.Stride);
        Finish(chunk, result, weights.Bias, weights.ChannelScales, operands.Scales);
    }

    /// <summary>By the decode kernel, which adds bias and residual itself.</summary>
    public static void QueueVectorResult(in DeviceChunk chunk, DeviceStage last, OperandRows vectors)
    {
        DeviceRows result = chunk.HasLaterNorms ? Scratch(chunk) : chunk.Output;
        DeviceRows residual = chunk.HasLaterNorms ? default : chunk.Residual;
        chunk.Kernels.VectorResult(chunk.Stream, new VectorResultArguments
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
            Tokens = chunk.Tokens,
            Columns = last.Columns,
            Width = last.Shape.Width,
        });
        chunk.Clock?.Mark(FfnStep.Gemm);
        if (chunk.HasLaterNorms)
        {
            Finish(chunk, result, bias: default, channelScales: default, tokenScales: default);
        }
    }

    // A stack's last stage may have an activation, after which there is no bias any more.
    private static void QueueActivated(in DeviceChunk chunk, int stage, OperandRows operands)
    {
        HiddenSteps.QueueProduct(chunk, stage, operands);
        bool isLast = chunk.Residual.IsNone && !chunk.HasLaterNorms;
        DeviceRows result = isLast ? chunk.Output : Scratch(chunk);
        chunk.Kernels.ActivateResult(chunk.Stream, chunk.Tokens, HiddenSteps.ActivationOf(
            chunk, chunk.Weights.Stages[stage], operands, result.Address, result.Stride, outputScales: 0));
        chunk.Clock?.Mark(FfnStep.Activation);
        if (!isLast)
        {
            Finish(chunk, result, bias: default, channelScales: default, tokenScales: default);
        }
    }

    private static void Finish(in DeviceChunk chunk, DeviceRows result, DeviceRegion bias, DeviceRegion channelScales, DeviceRegion tokenScales)
    {
        chunk.Kernels.Finish(chunk.Stream, chunk.Tokens, new FinishArguments
        {
            Product = result.Address,
            ProductStride = result.Stride,
            Bias = bias.Address,
            ChannelScales = channelScales.Address,
            TokenScales = tokenScales.Address,
            Residual = chunk.Residual.Address,
            ResidualStride = chunk.Residual.Stride,
            Output = chunk.Output.Address,
            OutputStride = chunk.Output.Stride,
            Branch = chunk.BranchNorm,
            Post = chunk.PostNorm,
            Width = chunk.Weights.Spec.OutputWidth,
        });
        chunk.Clock?.Mark(chunk.HasLaterNorms ? FfnStep.Norm : FfnStep.Residual);
    }

    private static DeviceRows Scratch(in DeviceChunk chunk) =>
        new(chunk.Scratch.Result.Address, DeviceFormat.Padded(chunk.Weights.Spec.OutputWidth));
}
