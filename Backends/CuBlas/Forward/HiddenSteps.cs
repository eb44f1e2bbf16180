using NativeFfn.Backends.CuBlas.Gemm;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Weights;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Queues a stage whose result is the next one's operands.</summary>
internal static class HiddenSteps
{
    /// <summary>Queues the stage: in one GEMM where cuBLASLt has the activation among its epilogues, else by a kernel after it.</summary>
    /// <returns>The operands written.</returns>
    public static OperandRows Queue(in DeviceGroup group, int stage, OperandRows operands, OperandRows target)
    {
        DeviceStage weights = group.Network.Stages[stage];
        target = target with { Stride = weights.PaddedWidth };
        if (group.Format.HasEpilogue(weights.Shape)
            && GemmSteps.TryQueue(group, stage, GemmUse.Operands, operands, target.Region, target.Stride))
        {
            return target;
        }

        QueueGemm(group, stage, operands);
        group.Kernels.ActivateOperand(
            group.Run.Stream, group.Run.Tokens, ActivationOf(group, weights, operands, target.Region.Address, target.Stride, target.Scales.Address));
        group.Run.Clock?.Mark(FfnStep.Activation);
        return target;
    }

    /// <summary>Queues the stage's projection into the scratch memory for products.</summary>
    public static void QueueGemm(in DeviceGroup group, int stage, OperandRows operands) => GemmSteps.Queue(
        group, stage, GemmUse.Hidden, operands, group.Scratch.Products, group.Network.Stages[stage].Rows);

    /// <summary>What the activation kernels take, after the stage's projection was queued.</summary>
    public static ActivationArguments ActivationOf(
        in DeviceGroup group, DeviceStage stage, OperandRows operands, nint output, long outputStride, nint outputScales) => new()
        {
            Product = group.Scratch.Products.Address,
            ProductStride = stage.Rows,
            Output = output,
            OutputStride = outputStride,
            Bias = stage.Bias.Address,
            ChannelScales = stage.ChannelScales.Address,
            TokenScales = operands.Scales.Address,
            OutputScales = outputScales,
            PaddedWidth = stage.PaddedWidth,
            Width = stage.Shape.Width,
            Kind = stage.Kind,
        };
}
