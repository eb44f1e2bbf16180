using NativeFfn.Backends.Cpu.Kernels;

namespace NativeFfn.Backends.Cpu.Steps;

/// <summary>The norms after the last stage, with the residual between them.</summary>
internal static unsafe class FinishStep
{
    public static void Run(in CpuChunk chunk, Region region)
    {
        FfnSpec spec = chunk.Weights.Spec;
        if (spec.BranchNorm is { } branchNorm)
        {
            Normalize(chunk, branchNorm, chunk.Weights.BranchNorm, chunk.Scratch.Branch, region);
            AddResidual(chunk, region);
        }

        if (spec.PostNorm is { } postNorm)
        {
            Normalize(chunk, postNorm, chunk.Weights.PostNorm, chunk.Output, region);
        }
    }

    /// <summary>output = residual + branch.</summary>
    public static void AddResidual(in CpuChunk chunk, Region region)
    {
        long start = chunk.Now();
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            StageRows.WriteOutput(chunk, row, region.FirstColumn, region.Columns, chunk.Scratch.Branch.Row(row) + region.FirstColumn);
        }

        chunk.Add(FfnStep.Residual, start);
    }

    private static void Normalize(in CpuChunk chunk, NormSpec spec, CpuWeights.NormWeights norm, Matrix rows, Region region)
    {
        long start = chunk.Now();
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            NormKernel.Apply(spec, norm.Weight, norm.Bias, rows.Row(row), rows.Row(row), chunk.Weights.Spec.OutputWidth);
        }

        chunk.Add(FfnStep.Norm, start);
    }
}
