using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Rows;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>The panel kernels in C#: panel after panel, its products, activation and result while they are in cache.</summary>
/// <param name="kernel">The kernel.</param>
/// <param name="layout">How it wants weights to lie.</param>
internal sealed unsafe class PanelGemm(PanelKernel kernel, PanelLayout layout) : IGemm
{
    // 512 columns of so many tokens take 288 KiB, which stay in the second-level cache.
    private const int MostTokensAtATime = 144;

    // Whole panels of every width, and whole cache lines, so that no two slices share one.
    private const int ColumnGranularity = 32;

    // Bytes of the sums that a thread works on at a time, beside which tokens and weights have to find room in the second-level cache.
    private const long SumBytes = 128 * 1024;

    // Panels that share a block of tokens: beyond, what reading it again costs is lost in the noise.
    private const int MostPanelsAtATime = 4;

    // A block that so many tiles of tokens read is widened once and not by each; it stays in the second-level cache either way, and the
    // numbers are the same.
    private const int TilesWorthWidening = 4;

    /// <inheritdoc/>
    public string Name => "panels";

    /// <inheritdoc/>
    public IWeightLayout Layout => layout;

    /// <inheritdoc/>
    public int MostTokens => MostTokensAtATime;

    /// <inheritdoc/>
    public string? WhyNot(in GemmProblem problem) => problem.Kernel == CpuKernel.Mkl ? "the options ask for kernel mkl." : null;

    /// <inheritdoc/>
    public void Place(ref TokenGroup group, ref long elements)
    {
        group.Tiles = kernel.Tile(group.Tokens);
        (long even, long odd) = (0, 0);
        for (int i = 0; i < group.Network.Stages.Length; i++)
        {
            long width = PanelFormat.PaddedColumns(group.Network.Stages[i].InputWidth);
            (even, odd) = i % 2 == 0 ? (Math.Max(even, width), odd) : (even, Math.Max(odd, width));
        }

        group.Even = elements;
        group.Odd = group.Even + NativeBuffer.Align(group.Tiles.PaddedTokens * even);
        elements = group.Odd + NativeBuffer.Align(group.Tiles.PaddedTokens * odd);
        if (group.Network.FinishesHiddenRows)
        {
            FfnStage first = group.Network.Stages[0];
            long rows = group.Tokens * NativeBuffer.Align(first.Width);
            group.Gate = elements;
            group.Up = group.Gate + rows;
            elements += first.ProjectionCount * rows;
        }
    }

    /// <inheritdoc/>
    public long WorkerElements(in TokenGroup group)
    {
        // The sums of each projection and a widened block, or the collected rows of a tile.
        long widened = group.Tiles.Count < TilesWorthWidening && kernel.GroupBytes > 0 ? 0 : PanelKernel.BlockColumns * kernel.Rows;
        return Math.Max(SumsOfPanels(group) + widened, kernel.MostTokens * NativeBuffer.Align(group.Network.InputWidth));
    }

    /// <inheritdoc/>
    public int PackRows(CpuChunk chunk, in TokenGroup group) => group.Tiles.Count;

    /// <inheritdoc/>
    public void Pack(CpuChunk chunk, in TokenGroup group, Region region, int worker)
    {
        int width = group.Network.InputWidth;
        var room = new Matrix(chunk.Own(worker), NativeBuffer.Align(width));
        TokenPanels panels = Tokens(chunk, group, 0);
        for (int tile = region.FirstRow; tile < region.EndRow; tile++)
        {
            Matrix rows = Prologue.Collect(chunk, group, group.Tiles.FirstToken(tile), group.Tiles.TokensOf(tile), room);
            long start = chunk.Now();
            panels.Write(tile, 0, rows.Pointer, rows.Stride, width);
            panels.Clear(tile, width);
            chunk.Add(FfnStep.Gemm, start);
        }
    }

    /// <inheritdoc/>
    public Slicing Slice(in TokenGroup group, int stage, int wanted, int enough, int alone)
    {
        // Panels that are multiplied together stay together, unless memory is all that counts.
        int granularity = group.Tokens <= PanelKernel.UnaidedTokens
            ? ColumnGranularity
            : Math.Max(ColumnGranularity, PanelsAtATime(group) * kernel.Rows);
        return Slicing.OfProduct(group.Tiles.Count, group.Network.Stages[stage].Width, wanted, granularity, granularity, enough);
    }

    /// <summary>Runs the panels that hold the region's columns on the region's rows, which are tiles of tokens.</summary>
    public void Run(CpuChunk chunk, in TokenGroup group, int stage, Region region, int worker)
    {
        int projections = group.Network.Stages[stage].ProjectionCount;
        int end = (region.EndColumn + kernel.Rows - 1) / kernel.Rows;
        int together = PanelsAtATime(group);
        for (int first = region.FirstColumn / kernel.Rows; first < end; first += together)
        {
            int panels = Math.Min(together, end - first);
            long start = chunk.Now();
            Multiply(chunk, group, stage, region, first * projections, panels * projections, worker);
            chunk.Add(FfnStep.Gemm, start);
            for (int i = 0; i < panels; i++)
            {
                float* gate = Sums(chunk, group, worker, i * projections);
                float* up = Sums(chunk, group, worker, (i * projections) + projections - 1);
                Finish(chunk, group, stage, region, (first + i) * kernel.Rows, gate, up);
            }
        }
    }

    /// <inheritdoc/>
    public int HiddenRows(in TokenGroup group) => group.Tiles.Count;

    /// <inheritdoc/>
    public void FinishHidden(CpuChunk chunk, in TokenGroup group, Region region)
    {
        FfnStage shape = group.Network.Stages[0];
        KeptRows(chunk, group, out Matrix gate, out Matrix up);
        TokenPanels hidden = Tokens(chunk, group, 1);
        for (int tile = region.FirstRow; tile < region.EndRow; tile++)
        {
            int first = group.Tiles.FirstToken(tile);
            for (int row = first; row < first + group.Tiles.TokensOf(tile); row++)
            {
                Forward.HiddenRows.Finish(chunk, group, row, gate.Row(row), shape.Kind.Gated ? up.Row(row) : null);
            }

            long start = chunk.Now();
            hidden.Write(tile, 0, gate.Row(first), gate.Stride, shape.Width);
            hidden.Clear(tile, shape.Width);
            chunk.Add(FfnStep.Activation, start);
        }
    }

    private static void KeptRows(CpuChunk chunk, in TokenGroup group, out Matrix gate, out Matrix up)
    {
        long stride = NativeBuffer.Align(group.Network.Stages[0].Width);
        (gate, up) = (new Matrix(chunk.GateRows(group), stride), new Matrix(chunk.UpRows(group), stride));
    }

    private static int PanelsAtATime(long sumElements) => (int)Math.Clamp(SumBytes / (2 * sumElements * sizeof(float)), 1, MostPanelsAtATime);

    private long SumElements(in TokenGroup group) => (long)group.Tiles.PaddedTokens * kernel.Rows;

    private int PanelsAtATime(in TokenGroup group) => PanelsAtATime(SumElements(group));

    private long SumsOfPanels(in TokenGroup group) => 2 * SumElements(group) * PanelsAtATime(group);

    // A thread's sums for one of the panels that it multiplies together, gate and up panels in turns.
    private float* Sums(CpuChunk chunk, in TokenGroup group, int worker, int panel) => chunk.Own(worker) + (panel * SumElements(group));

    private static TokenPanels Tokens(CpuChunk chunk, in TokenGroup group, int stage) => new(
        chunk.Rows(group, stage), group.Tiles, PanelFormat.PaddedColumns(group.Network.Stages[stage].InputWidth));

    // Panels are counted over both projections here, as they lie in memory.
    private void Multiply(CpuChunk chunk, in TokenGroup group, int stage, Region region, int firstPanel, int panels, int worker)
    {
        // Memory is read from end to end where that is what takes time. Else panels go through their columns together, so that a block
        // of the tokens serves them all while it is in cache.
        int together = group.Tokens <= PanelKernel.UnaidedTokens ? 1 : panels;
        for (int first = 0; first < panels; first += together)
        {
            MultiplyTogether(chunk, group, stage, region, firstPanel + first, together, worker, first);
        }
    }

    private void MultiplyTogether(
        CpuChunk chunk, in TokenGroup group, int stage, Region region, int firstPanel, int panels, int worker, int firstSums)
    {
        int width = group.Network.Stages[stage].InputWidth;
        TokenPanels input = Tokens(chunk, group, stage);
        long panelBytes = kernel.PanelBytes(width);
        byte* start = (byte*)group.Network.Weights[stage].Matrices + (firstPanel * panelBytes);
        int columnGroups = PanelFormat.Groups(width);
        bool widens = kernel.GroupBytes == 0 || (region.Rows >= TilesWorthWidening && kernel.Widened != kernel);
        PanelKernel multiplier = widens ? kernel.Widened : kernel;
        for (int block = 0; block < columnGroups; block += PanelKernel.BlockGroups)
        {
            int count = Math.Min(PanelKernel.BlockGroups, columnGroups - block);
            byte* blocks = start + ((long)block * kernel.GroupBytes);
            for (int i = 0; i < panels; i++)
            {
                // What is read after the last block of all is only ever asked for, wherever it lies.
                byte* next = i + 1 < panels ? blocks + ((i + 1) * panelBytes)
                    : block + count < columnGroups ? blocks + (count * kernel.GroupBytes)
                    : start + (panels * panelBytes);
                byte* read = blocks + (i * panelBytes);
                if (widens)
                {
                    float* widened = chunk.Own(worker) + SumsOfPanels(group);
                    kernel.Unpack(start + (i * panelBytes), width, block, count, widened, kernel.Rows);
                    read = (byte*)widened;
                }

                multiplier.Multiply(
                    read, count, input, (long)block * PanelFormat.GroupColumns, region.FirstRow, region.EndRow,
                    Sums(chunk, group, worker, firstSums + i), accumulate: block > 0, next, count * kernel.GroupBytes);
            }
        }
    }

    private void Finish(CpuChunk chunk, in TokenGroup group, int stage, Region region, int firstColumn, float* gate, float* up)
    {
        int width = group.Network.Stages[stage].Width;
        int columns = Math.Min(kernel.Rows, width - firstColumn);
        bool isLast = stage == group.Network.Stages.Length - 1;
        bool keeps = stage == 0 && group.Network.FinishesHiddenRows;
        for (int tile = region.FirstRow; tile < region.EndRow; tile++)
        {
            int first = group.Tiles.FirstToken(tile);
            int above = (first - group.Tiles.FirstToken(region.FirstRow)) * kernel.Rows;
            int tokens = group.Tiles.TokensOf(tile);
            long start = chunk.Now();
            if (keeps)
            {
                Keep(chunk, group, first, tokens, firstColumn, columns, gate + above, up + above);
                chunk.Add(FfnStep.Activation, start);
                continue;
            }

            for (int i = 0; i < tokens; i++)
            {
                int offset = above + (i * kernel.Rows);
                Epilogue.Activate(chunk, group, stage, first + i, firstColumn, columns, gate + offset, up + offset);
            }

            if (!isLast)
            {
                TokenPanels hidden = Tokens(chunk, group, stage + 1);
                hidden.Write(tile, firstColumn, gate + above, kernel.Rows, columns);
                if (firstColumn + columns == width)
                {
                    hidden.Clear(tile, width);
                }
            }

            chunk.Add(FfnStep.Activation, start);
            if (isLast)
            {
                start = chunk.Now();
                for (int i = 0; i < tokens; i++)
                {
                    Epilogue.Write(chunk, group, first + i, firstColumn, columns, gate + above + (i * kernel.Rows));
                }

                chunk.Add(FfnStep.Residual, start);
            }
        }
    }

    // Whole rows are finished once all panels have been multiplied.
    private void Keep(CpuChunk chunk, in TokenGroup group, int firstRow, int rows, int firstColumn, int columns, float* gate, float* up)
    {
        KeptRows(chunk, group, out Matrix gateRows, out Matrix upRows);
        for (int i = 0; i < rows; i++)
        {
            RowKernel.Copy(gateRows.Row(firstRow + i) + firstColumn, gate + (i * kernel.Rows), columns);
            if (group.Network.Stages[0].Kind.Gated)
            {
                RowKernel.Copy(upRows.Row(firstRow + i) + firstColumn, up + (i * kernel.Rows), columns);
            }
        }
    }
}
