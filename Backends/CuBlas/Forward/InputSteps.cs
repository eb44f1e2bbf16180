using NativeFfn.Backends.CuBlas.Kernels;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Brings the input's rows into the form that the first projection reads, through the block's norm where there is one.</summary>
internal static class InputSteps
{
    /// <summary>For cuBLASLt.</summary>
    public static OperandRows PrepareOperands(in DeviceChunk chunk, OperandRows target)
    {
        if (CanReadInput(chunk))
        {
            return Input(chunk);
        }

        target = target with { Stride = chunk.Weights.Stages[0].Columns };
        chunk.Kernels.PrepareOperand(chunk.Stream, chunk.Tokens, ArgumentsOf(chunk, target));
        chunk.Clock?.Mark(StepOf(chunk));
        return target;
    }

    /// <summary>For the decode kernels.</summary>
    public static OperandRows PrepareVectors(in DeviceChunk chunk, OperandRows target)
    {
        if (CanReadInput(chunk))
        {
            return Input(chunk);
        }

        target = target with { Stride = chunk.Weights.Stages[0].Columns, Scales = default };
        chunk.Kernels.PrepareVector(chunk.Stream, chunk.Tokens, ArgumentsOf(chunk, target));
        chunk.Clock?.Mark(StepOf(chunk));
        return target;
    }

    // Rows of float32 that are padded and aligned by nature need no copy, unless the only stage writes between them.
    private static bool CanReadInput(in DeviceChunk chunk)
    {
        FfnSpec spec = chunk.Weights.Spec;
        return chunk.Format.OperandBytes == sizeof(float) && chunk.PreNorm.Kind == (int)KernelNorm.None
            && spec.InputWidth == chunk.Weights.Stages[0].Columns && chunk.Input.Alignment >= ProductSteps.LeastAlignment
            && (spec.Stages.Length > 1
                || !chunk.Input.Region(chunk.Tokens, spec.InputWidth).Overlaps(chunk.Output.Region(chunk.Tokens, spec.OutputWidth)));
    }

    private static OperandRows Input(in DeviceChunk chunk) =>
        new(chunk.Input.Region(chunk.Tokens, chunk.Weights.Spec.InputWidth), chunk.Input.Stride, default);

    private static FfnStep? StepOf(in DeviceChunk chunk) => chunk.PreNorm.Kind == (int)KernelNorm.None ? null : FfnStep.Norm;

    private static InputArguments ArgumentsOf(in DeviceChunk chunk, OperandRows target) => new()
    {
        Input = chunk.Input.Address,
        InputStride = chunk.Input.Stride,
        Output = target.Region.Address,
        OutputStride = target.Stride,
        TokenScales = target.Scales.Address,
        Norm = chunk.PreNorm,
        Width = chunk.Weights.Spec.InputWidth,
        PaddedWidth = chunk.Weights.Stages[0].Columns,
    };
}
