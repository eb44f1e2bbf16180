using NativeFfn.Backends.Cpu.Kernels;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Panels;

namespace NativeFfn.Backends.Cpu.Steps;

/// <summary>The input as the first stage reads it.</summary>
internal static unsafe class InputStep
{
    /// <summary>normalized = norm(input), as rows.</summary>
    public static void Normalize(in CpuChunk chunk, Region region)
    {
        long start = chunk.Now();
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            Normalize(chunk, row, chunk.Scratch.Normalized.Row(row));
        }

        chunk.Add(FfnStep.Norm, start);
    }

    /// <summary>The input, or its norm, as the panel kernels read it; the region's rows are groups of tokens.</summary>
    public static void Group(in CpuChunk chunk, Region region, int worker)
    {
        FfnSpec spec = chunk.Weights.Spec;
        int width = spec.InputWidth;
        TokenPanels panels = chunk.Scratch.Input(spec, 0, chunk.Groups);
        for (int group = region.FirstRow; group < region.EndRow; group++)
        {
            int first = chunk.Groups.FirstToken(group);
            Matrix rows = chunk.Input.From(first);
            if (chunk.HasPreNorm)
            {
                rows = new Matrix(chunk.Scratch.Own(worker), NativeBuffer.Align(width));
                long normStart = chunk.Now();
                for (int i = 0; i < chunk.Groups.TokensOf(group); i++)
                {
                    Normalize(chunk, first + i, rows.Row(i));
                }

                chunk.Add(FfnStep.Norm, normStart);
            }

            long start = chunk.Now();
            panels.Write(group, 0, rows.Pointer, rows.Stride, width);
            panels.Clear(group, width);
            chunk.Add(FfnStep.Gemm, start);
        }
    }

    private static void Normalize(in CpuChunk chunk, int row, float* normalized)
    {
        FfnSpec spec = chunk.Weights.Spec;
        CpuWeights.NormWeights norm = chunk.Weights.PreNorm;
        NormKernel.Apply(spec.PreNorm!, norm.Weight, norm.Bias, chunk.Input.Row(row), normalized, spec.InputWidth);
        CpuTracing.Row(chunk.Trace?.Normalized, chunk.FirstToken + row, spec.InputWidth, normalized, 0, spec.InputWidth);
    }
}
