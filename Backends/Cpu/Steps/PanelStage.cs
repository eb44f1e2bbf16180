using NativeFfn.Backends.Cpu.Kernels;
using NativeFfn.Backends.Cpu.Panels;

namespace NativeFfn.Backends.Cpu.Steps;

/// <summary>A stage by the panel kernels: panel after panel, its products, activation and result while they are in cache.</summary>
internal static unsafe class PanelStage
{
    /// <summary>Runs the panels that hold the region's columns on the region's rows, which are groups of tokens.</summary>
    public static void Run(in CpuChunk chunk, int stage, Region region, int worker)
    {
        CpuWeights weights = chunk.Weights;
        PanelKernel kernel = chunk.Products.Panels;
        FfnStage shape = weights.Spec.Stages[stage];
        TokenPanels input = chunk.Scratch.Input(weights.Spec, stage, chunk.Groups);
        int columnGroups = PanelFormat.Groups(shape.InputWidth);
        int rowsOfPanel = kernel.Format.Rows;
        int panels = kernel.Format.Panels(shape.Width);
        float* tile = chunk.Scratch.Own(worker);
        float* upTile = chunk.Scratch.UpTile(worker);
        for (int panel = region.FirstColumn / rowsOfPanel; panel * rowsOfPanel < region.EndColumn; panel++)
        {
            long start = chunk.Now();
            byte* gate = weights.Panel(stage, panel, 0);
            byte* next = panel + 1 < panels ? weights.Panel(stage, panel + 1, 0) : null;
            if (shape.Kind.Gated)
            {
                byte* up = weights.Panel(stage, panel, 1);
                kernel.Multiply(gate, columnGroups, input, region.FirstRow, region.EndRow, tile, up);
                kernel.Multiply(up, columnGroups, input, region.FirstRow, region.EndRow, upTile, next);
            }
            else
            {
                kernel.Multiply(gate, columnGroups, input, region.FirstRow, region.EndRow, tile, next);
            }

            chunk.Add(FfnStep.Gemm, start);
            Finish(chunk, stage, region, panel * rowsOfPanel, rowsOfPanel, tile, upTile);
        }
    }

    private static void Finish(in CpuChunk chunk, int stage, Region region, int firstColumn, int rowsOfPanel, float* tile, float* upTile)
    {
        FfnSpec spec = chunk.Weights.Spec;
        int width = spec.Stages[stage].Width;
        int columns = Math.Min(rowsOfPanel, width - firstColumn);
        bool isLast = stage == spec.Stages.Length - 1;
        for (int group = region.FirstRow; group < region.EndRow; group++)
        {
            int first = chunk.Groups.FirstToken(group);
            int above = (first - chunk.Groups.FirstToken(region.FirstRow)) * rowsOfPanel;
            int tokens = chunk.Groups.TokensOf(group);
            long start = chunk.Now();
            for (int i = 0; i < tokens; i++)
            {
                int offset = above + (i * rowsOfPanel);
                StageRows.Activate(chunk, stage, first + i, firstColumn, columns, tile + offset, upTile + offset);
            }

            if (!isLast)
            {
                TokenPanels hidden = chunk.Scratch.Input(spec, stage + 1, chunk.Groups);
                hidden.Write(group, firstColumn, tile + above, rowsOfPanel, columns);
                if (firstColumn + columns == width)
                {
                    hidden.Clear(group, width);
                }
            }

            chunk.Add(FfnStep.Activation, start);
            if (isLast)
            {
                WriteRows(chunk, first, tokens, firstColumn, columns, tile + above, rowsOfPanel);
            }
        }
    }

    private static void WriteRows(in CpuChunk chunk, int firstRow, int rows, int firstColumn, int columns, float* tile, int stride)
    {
        long start = chunk.Now();
        for (int i = 0; i < rows; i++)
        {
            float* branch = tile + (i * stride);
            if (chunk.HasBranchNorm)
            {
                RowKernel.Copy(chunk.Scratch.Branch.Row(firstRow + i) + firstColumn, branch, columns);
            }
            else
            {
                StageRows.WriteOutput(chunk, firstRow + i, firstColumn, columns, branch);
            }
        }

        chunk.Add(FfnStep.Residual, start);
    }
}
