using NativeFfn.Backends.Cpu.Kernels;
using NativeFfn.Backends.Cpu.Panels;

namespace NativeFfn.Backends.Cpu.Steps;

/// <summary>A stage by the panel kernels: panel after panel, its products, activation and result while they are in cache.</summary>
internal static unsafe class PanelStage
{
    // A block that so many groups of tokens read is widened once and not by each; it stays in the second-level cache either way, and the
    // numbers are the same.
    private const int GroupsWorthWidening = 4;

    /// <summary>Runs the panels that hold the region's columns on the region's rows, which are groups of tokens.</summary>
    public static void Run(in CpuChunk chunk, int stage, Region region, int worker)
    {
        int rowsOfPanel = chunk.Weights.Format.Rows;
        int projections = chunk.Weights.Spec.Stages[stage].ProjectionCount;
        int end = (region.EndColumn + rowsOfPanel - 1) / rowsOfPanel;
        int together = chunk.Scratch.PanelsAtATime;
        for (int first = region.FirstColumn / rowsOfPanel; first < end; first += together)
        {
            int panels = Math.Min(together, end - first);
            long start = chunk.Now();
            Multiply(chunk, stage, region, first * projections, panels * projections, worker);
            chunk.Add(FfnStep.Gemm, start);
            for (int i = 0; i < panels; i++)
            {
                float* tile = chunk.Scratch.Tile(worker, i * projections);
                float* upTile = chunk.Scratch.Tile(worker, (i * projections) + projections - 1);
                Finish(chunk, stage, region, (first + i) * rowsOfPanel, rowsOfPanel, tile, upTile);
            }
        }
    }

    // Panels are counted over both projections here, as they lie in memory.
    private static void Multiply(in CpuChunk chunk, int stage, Region region, int firstPanel, int panels, int worker)
    {
        // Memory is read from end to end where that is what takes time. Else panels go through their columns together, so that a block
        // of the tokens serves them all while it is in cache.
        int together = chunk.Tokens <= PanelKernel.UnaidedTokens ? 1 : panels;
        for (int first = 0; first < panels; first += together)
        {
            MultiplyTogether(chunk, stage, region, firstPanel + first, together, worker, first);
        }
    }

    private static void MultiplyTogether(in CpuChunk chunk, int stage, Region region, int firstPanel, int panels, int worker, int firstTile)
    {
        CpuWeights weights = chunk.Weights;
        PanelFormat format = weights.Format;
        int width = weights.Spec.Stages[stage].InputWidth;
        TokenPanels input = chunk.Scratch.Input(weights.Spec, stage, chunk.Groups);
        long panelBytes = format.PanelBytes(width);
        byte* start = weights.Stages[stage].Panels + (firstPanel * panelBytes);
        int columnGroups = PanelFormat.Groups(width);
        PanelKernel kernel = chunk.Products.Panels;
        bool widens = region.Rows >= GroupsWorthWidening && format.Precision != FfnPrecision.Float32;
        for (int block = 0; block < columnGroups; block += PanelKernel.BlockGroups)
        {
            int count = Math.Min(PanelKernel.BlockGroups, columnGroups - block);
            byte* blocks = start + ((long)block * format.GroupBytes);
            for (int i = 0; i < panels; i++)
            {
                // What is read after the last block of all is only ever asked for, wherever it lies.
                byte* next = i + 1 < panels ? blocks + ((i + 1) * panelBytes)
                    : block + count < columnGroups ? blocks + (count * format.GroupBytes)
                    : start + (panels * panelBytes);
                byte* read = blocks + (i * panelBytes);
                PanelKernel multiplier = kernel;
                if (widens)
                {
                    float* widened = chunk.Scratch.Widened(worker);
                    kernel.Unpack(read, count, widened, format.Rows);
                    read = (byte*)widened;
                    multiplier = kernel.Widened;
                }

                multiplier.Multiply(
                    read, count, input, (long)block * PanelFormat.GroupColumns, region.FirstRow, region.EndRow,
                    chunk.Scratch.Tile(worker, firstTile + i), accumulate: block > 0, next, count * format.GroupBytes);
            }
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
