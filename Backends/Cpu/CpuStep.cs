using System.Diagnostics;
using NativeFfn.Backends.Cpu.Kernels;

namespace NativeFfn.Backends.Cpu;

/// <summary>What a step of a chunk does.</summary>
internal enum CpuStepKind
{
    /// <summary>normalized = norm(input).</summary>
    PreNorm,

    /// <summary>A stage whose result another one reads.</summary>
    HiddenStage,

    /// <summary>The stage whose result goes to the output, with the residual.</summary>
    LastStage,

    /// <summary>The norms after the last stage.</summary>
    FinishRows,
}

/// <summary>Some tokens of a forward with all that a step needs to run on them.</summary>
internal struct CpuChunk
{
    public CpuWeights Weights;
    public CpuScratch Scratch;
    public CpuProducts Products;
    public FfnTrace? Trace;
    public FfnProfile? Profile;
    public bool IsBlock;
    public int FirstToken;
    public int Tokens;
    public Matrix Input;
    public Matrix Residual;
    public Matrix Output;
}

/// <summary>One step, run on any region of its result; regions of one step are independent of each other.</summary>
internal readonly unsafe struct CpuStep(CpuStepKind kind, int stage = 0)
{
    public void Run(in CpuChunk chunk, Region region)
    {
        switch (kind)
        {
            case CpuStepKind.PreNorm:
                RunPreNorm(chunk, region);
                break;
            case CpuStepKind.HiddenStage:
                RunStage(chunk, chunk.Scratch.Hidden(stage), region);
                break;
            case CpuStepKind.LastStage:
                RunLastStage(chunk, region);
                break;
            default:
                FinishRows(chunk, region);
                break;
        }
    }

    private static void RunPreNorm(in CpuChunk chunk, Region region)
    {
        FfnSpec spec = chunk.Weights.Spec;
        CpuWeights.NormWeights norm = chunk.Weights.PreNorm;
        long start = Now(chunk);
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            float* normalized = chunk.Scratch.Normalized.Row(row);
            NormKernel.Apply(spec.PreNorm!, norm.Weight, norm.Bias, chunk.Input.Row(row), normalized, spec.InputWidth);
            CpuTracing.Row(chunk.Trace?.Normalized, chunk.FirstToken + row, spec.InputWidth, normalized, 0, spec.InputWidth);
        }

        Add(chunk, FfnStep.Norm, start);
    }

    // result = act(x · Wᵀ + b), times (x · W_upᵀ + b_up) where the stage is gated.
    private void RunStage(in CpuChunk chunk, Matrix result, Region region)
    {
        FfnStage shape = chunk.Weights.Spec.Stages[stage];
        CpuWeights.StageWeights weights = chunk.Weights.Stages[stage];
        Multiply(chunk, weights.Weight, result, region, accumulate: false);
        if (shape.Kind.Gated)
        {
            Multiply(chunk, weights.UpWeight, chunk.Scratch.Up, region, accumulate: false);
        }

        long start = Now(chunk);
        int first = region.FirstColumn;
        FfnStageTrace? trace = kind == CpuStepKind.HiddenStage ? chunk.Trace?.HiddenStages[stage] : null;
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            float* gate = result.Row(row) + first;
            float* up = shape.Kind.Gated ? chunk.Scratch.Up.Row(row) + first : null;
            float* bias = weights.Bias == null ? null : weights.Bias + first;
            float* upBias = weights.UpBias == null ? null : weights.UpBias + first;
            if (trace is not null)
            {
                CpuTracing.BeforeActivation(trace, chunk.FirstToken + row, first, region.Columns, gate, bias, up, upBias);
            }

            if (shape.Kind.Gated)
            {
                ActivationKernel.Gated(shape.Kind.Activation, gate, bias, up, upBias, region.Columns);
            }
            else
            {
                ActivationKernel.Plain(shape.Kind.Activation, gate, bias, region.Columns);
            }

            CpuTracing.Row(trace?.Hidden, chunk.FirstToken + row, shape.Width, gate, first, region.Columns);
        }

        Add(chunk, FfnStep.Activation, start);
    }

    private void RunLastStage(in CpuChunk chunk, Region region)
    {
        bool branchNorm = chunk.IsBlock && chunk.Weights.Spec.BranchNorm is not null;
        if (chunk.Weights.Spec.Stages[stage].Kind == FfnKind.Linear && !branchNorm)
        {
            // The product is added to what the output must hold beside it, so the result is written once.
            bool accumulate = WriteResidualAndBias(chunk, region);
            Multiply(chunk, chunk.Weights.Stages[stage].Weight, chunk.Output, region, accumulate);
            return;
        }

        if (chunk.Residual.IsNull)
        {
            RunStage(chunk, chunk.Output, region);
            return;
        }

        RunStage(chunk, chunk.Scratch.Branch, region);
        if (!branchNorm)
        {
            AddResidual(chunk, region);
        }
    }

    // output = residual + bias, either of which may be missing; false where both are and the output holds nothing.
    private bool WriteResidualAndBias(in CpuChunk chunk, Region region)
    {
        float* bias = chunk.Weights.Stages[stage].Bias;
        if (chunk.Residual.IsNull && bias == null)
        {
            return false;
        }

        long start = Now(chunk);
        int first = region.FirstColumn;
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            float* output = chunk.Output.Row(row) + first;
            float* residual = chunk.Residual.IsNull ? null : chunk.Residual.Row(row) + first;
            if (bias == null)
            {
                RowKernel.Copy(output, residual, region.Columns);
            }
            else if (residual == null)
            {
                RowKernel.Copy(output, bias + first, region.Columns);
            }
            else
            {
                RowKernel.Add(output, residual, bias + first, region.Columns);
            }
        }

        Add(chunk, FfnStep.Residual, start);
        return true;
    }

    private static void AddResidual(in CpuChunk chunk, Region region)
    {
        long start = Now(chunk);
        int first = region.FirstColumn;
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            RowKernel.Add(
                chunk.Output.Row(row) + first, chunk.Residual.Row(row) + first, chunk.Scratch.Branch.Row(row) + first, region.Columns);
        }

        Add(chunk, FfnStep.Residual, start);
    }

    private static void FinishRows(in CpuChunk chunk, Region region)
    {
        FfnSpec spec = chunk.Weights.Spec;
        int width = spec.OutputWidth;
        if (spec.BranchNorm is { } branchNorm)
        {
            long start = Now(chunk);
            CpuWeights.NormWeights norm = chunk.Weights.BranchNorm;
            for (int row = region.FirstRow; row < region.EndRow; row++)
            {
                float* branch = chunk.Scratch.Branch.Row(row);
                NormKernel.Apply(branchNorm, norm.Weight, norm.Bias, branch, branch, width);
            }

            Add(chunk, FfnStep.Norm, start);
            AddResidual(chunk, region);
        }

        if (spec.PostNorm is { } postNorm)
        {
            long start = Now(chunk);
            CpuWeights.NormWeights norm = chunk.Weights.PostNorm;
            for (int row = region.FirstRow; row < region.EndRow; row++)
            {
                float* output = chunk.Output.Row(row);
                NormKernel.Apply(postNorm, norm.Weight, norm.Bias, output, output, width);
            }

            Add(chunk, FfnStep.Norm, start);
        }
    }

    private void Multiply(in CpuChunk chunk, float* weight, Matrix result, Region region, bool accumulate)
    {
        FfnStage shape = chunk.Weights.Spec.Stages[stage];
        int k = shape.InputWidth;
        Matrix input = stage > 0 ? chunk.Scratch.Hidden(stage - 1)
            : chunk.IsBlock && chunk.Weights.Spec.PreNorm is not null ? chunk.Scratch.Normalized
            : chunk.Input;
        long weightStride = CpuWeights.StrideOf(shape.Width, k);
        long start = Now(chunk);
        chunk.Products.For(chunk.Tokens, chunk.Weights.Stages[stage].SwitchPoint).Multiply(
            region.Rows, region.Columns, k,
            input.Row(region.FirstRow), input.Stride,
            weight + (region.FirstColumn * weightStride), weightStride,
            result.Row(region.FirstRow) + region.FirstColumn, result.Stride,
            accumulate);
        Add(chunk, FfnStep.Gemm, start);
    }

    private static long Now(in CpuChunk chunk) => chunk.Profile is null ? 0 : Stopwatch.GetTimestamp();

    private static void Add(in CpuChunk chunk, FfnStep step, long start) =>
        chunk.Profile?.Add(step, Stopwatch.GetTimestamp() - start);
}
