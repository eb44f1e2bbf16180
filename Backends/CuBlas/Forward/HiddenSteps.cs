using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Products;
using NativeFfn.Backends.CuBlas.Weights;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Queues a stage whose result is the next one's operands.</summary>
internal static class HiddenSteps
{
    /// <summary>Queues the stage: in one product where cuBLASLt has the activation among its epilogues, else by a kernel after it.</summary>
    /// <returns>The operands written.</returns>
    public static OperandRows Queue(in DeviceChunk chunk, int stage, OperandRows operands, OperandRows target)
    {
        DeviceStage weights = chunk.Weights.Stages[stage];
        target = target with { Stride = weights.PaddedWidth };
        if (DeviceWeights.HasEpilogue(weights.Shape, chunk.Format)
            && ProductSteps.TryQueue(chunk, stage, ProductUse.Operands, operands, target.Region, target.Stride))
        {
            return target;
        }

        QueueProduct(chunk, stage, operands);
        chunk.Kernels.ActivateOperand(
            chunk.Stream, chunk.Tokens, ActivationOf(chunk, weights, operands, target.Region.Address, target.Stride, target.Scales.Address));
        chunk.Clock?.Mark(FfnStep.Activation);
        return target;
    }

    /// <summary>Queues the stage's projection into the scratch memory for products.</summary>
    public static void QueueProduct(in DeviceChunk chunk, int stage, OperandRows operands) => ProductSteps.Queue(
        chunk, stage, ProductUse.Hidden, operands, chunk.Scratch.Products, chunk.Weights.Stages[stage].Rows);

    /// <summary>What the activation kernels take, after the stage's projection was queued.</summary>
    public static ActivationArguments ActivationOf(
        in DeviceChunk chunk, DeviceStage stage, OperandRows operands, nint output, long outputStride, nint outputScales) => new()
    {
        Product = chunk.Scratch.Products.Address,
        ProductStride = stage.Rows,
        Output = output,
        OutputStride = outputStride,
        Bias = stage.Bias.Address,
        ChannelScales = stage.ChannelScales.Address,
        TokenScales = operands.Scales.Address,
        OutputScales = outputScales,
        PaddedWidth = stage.PaddedWidth,
        Width = stage.Shape.Width,
        Activation = Activation.All.IndexOf(stage.Shape.Kind.Activation),
        Gated = stage.Shape.Kind.Gated ? 1 : 0,
    };
}
