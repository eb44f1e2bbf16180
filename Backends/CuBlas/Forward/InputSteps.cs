using NativeFfn.Backends.CuBlas.Kernels;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Brings the input's rows into the form that the first projection reads, through the block's norm where there is one.</summary>
internal static class InputSteps
{
    /// <summary>For cuBLASLt.</summary>
    public static OperandRows PrepareOperands(in DeviceGroup group, OperandRows target)
    {
        if (CanReadInput(group))
        {
            return Input(group);
        }

        target = target with { Stride = group.Network.Stages[0].Columns };
        group.Kernels.PrepareOperand(group.Run.Stream, group.Run.Tokens, ArgumentsOf(group, target));
        group.Run.Clock?.Mark(StepOf(group));
        return target;
    }

    /// <summary>For the decode kernels.</summary>
    public static OperandRows PrepareVectors(in DeviceGroup group, OperandRows target)
    {
        if (CanReadInput(group))
        {
            return Input(group);
        }

        target = target with { Stride = group.Network.Stages[0].Columns, Scales = default };
        group.Kernels.PrepareVector(group.Run.Stream, group.Run.Tokens, ArgumentsOf(group, target));
        group.Run.Clock?.Mark(StepOf(group));
        return target;
    }

    // Rows of float32 that are padded and aligned by nature need no copy, unless the only stage writes between them.
    private static bool CanReadInput(in DeviceGroup group)
    {
        FfnSpec spec = group.Network.Spec;
        return group.Format.OperandBytes == sizeof(float) && group.Norms.Pre.Kind == (int)KernelNorm.None
            && spec.InputWidth == group.Network.Stages[0].Columns && group.Run.Input.Alignment >= GemmSteps.LeastAlignment
            && (spec.Stages.Length > 1
                || !group.Run.Input.Region(group.Run.Tokens, spec.InputWidth).Overlaps(group.Run.Output.Region(group.Run.Tokens, spec.OutputWidth)));
    }

    private static OperandRows Input(in DeviceGroup group) =>
        new(group.Run.Input.Region(group.Run.Tokens, group.Network.Spec.InputWidth), group.Run.Input.Stride, default);

    private static FfnStep? StepOf(in DeviceGroup group) => group.Norms.Pre.Kind == (int)KernelNorm.None ? null : FfnStep.Norm;

    private static InputArguments ArgumentsOf(in DeviceGroup group, OperandRows target) => new()
    {
        Input = group.Run.Input.Address,
        InputStride = group.Run.Input.Stride,
        Output = target.Region.Address,
        OutputStride = target.Stride,
        TokenScales = target.Scales.Address,
        Norm = group.Norms.Pre,
        Width = group.Network.Spec.InputWidth,
        PaddedWidth = group.Network.Stages[0].Columns,
    };
}
