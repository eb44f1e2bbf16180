using NativeFfn.Backends.Cpu.Kernels;

namespace NativeFfn.Backends.Cpu.Steps;

/// <summary>A stage by a library's product, on whole rows.</summary>
internal static unsafe class LibraryStage
{
    /// <summary>Runs the region's columns of the stage on the region's rows.</summary>
    public static void Run(in CpuChunk chunk, int stage, Region region, int worker)
    {
        FfnSpec spec = chunk.Weights.Spec;
        if (stage < spec.Stages.Length - 1)
        {
            RunTo(chunk.Scratch.InputRows(spec, stage + 1), chunk, stage, region, worker);
            return;
        }

        if (spec.Stages[stage].Kind == FfnKind.Linear && !chunk.HasBranchNorm)
        {
            // The product is added to what the output must hold beside it, so the result is written once.
            bool accumulate = WriteResidualAndBias(chunk, stage, region);
            Multiply(chunk, stage, 0, chunk.Output, region, worker, accumulate);
            return;
        }

        Matrix branch = chunk.Residual.IsNull ? chunk.Output : chunk.Scratch.Branch;
        RunTo(branch, chunk, stage, region, worker);
        if (!chunk.Residual.IsNull && !chunk.HasBranchNorm)
        {
            FinishStep.AddResidual(chunk, region);
        }
    }

    private static void RunTo(Matrix result, in CpuChunk chunk, int stage, Region region, int worker)
    {
        bool gated = chunk.Weights.Spec.Stages[stage].Kind.Gated;
        Multiply(chunk, stage, 0, result, region, worker, accumulate: false);
        if (gated)
        {
            Multiply(chunk, stage, 1, chunk.Scratch.Up, region, worker, accumulate: false);
        }

        long start = chunk.Now();
        int first = region.FirstColumn;
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            float* up = gated ? chunk.Scratch.Up.Row(row) + first : null;
            StageRows.Activate(chunk, stage, row, first, region.Columns, result.Row(row) + first, up);
        }

        chunk.Add(FfnStep.Activation, start);
    }

    // output = residual + bias, either of which may be missing; false where both are and the output holds nothing.
    private static bool WriteResidualAndBias(in CpuChunk chunk, int stage, Region region)
    {
        float* bias = chunk.Weights.Stages[stage].Bias;
        if (chunk.Residual.IsNull && bias == null)
        {
            return false;
        }

        long start = chunk.Now();
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

        chunk.Add(FfnStep.Residual, start);
        return true;
    }

    private static void Multiply(in CpuChunk chunk, int stage, int projection, Matrix result, Region region, int worker, bool accumulate)
    {
        CpuWeights weights = chunk.Weights;
        FfnStage shape = weights.Spec.Stages[stage];
        Matrix input = stage > 0 ? chunk.Scratch.InputRows(weights.Spec, stage)
            : chunk.HasPreNorm ? chunk.Scratch.Normalized
            : chunk.Input;
        long start = chunk.Now();
        IMatrixProduct library = chunk.Products.Library!;
        float* x = input.Row(region.FirstRow);
        float* y = result.Row(region.FirstRow) + region.FirstColumn;
        if (weights.AreRows)
        {
            float* rows = projection == 0 ? weights.Stages[stage].Rows : weights.Stages[stage].UpRows;
            long stride = CpuWeights.StrideOf(shape.Width, shape.InputWidth);
            library.Multiply(
                region.Rows, region.Columns, shape.InputWidth, x, input.Stride,
                rows + (region.FirstColumn * stride), stride, transposed: true, y, result.Stride, accumulate);
        }
        else
        {
            int rowsOfPanel = weights.Format.Rows;
            var widened = new WidenedProduct(chunk.Products.Panels, library, chunk.Scratch.Own(worker));
            widened.Multiply(
                region.Rows, region.Columns, shape.InputWidth, x, input.Stride,
                weights.Panel(stage, region.FirstColumn / rowsOfPanel, projection), shape.ProjectionCount, y, result.Stride, accumulate);
        }

        chunk.Add(FfnStep.Gemm, start);
    }
}
