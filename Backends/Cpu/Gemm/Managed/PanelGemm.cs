using System.Runtime.CompilerServices;
using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>The panel kernels in C#: panel after panel, its products, activation and result while they are in cache.</summary>
internal sealed unsafe class PanelGemm : IGemm
{
    // The kernels of all encodings have rows and tiles of one size.
    private static readonly PanelKernel Kernel = PanelKernel.Of(WeightEncodings.Float32);

    // 512 columns of so many tokens take 288 KiB, which stay in the second-level cache.
    private const int MostTokensAtATime = 144;

    // Whole panels of every width, and whole cache lines, so that no two slices share one.
    private const int ColumnGranularity = 32;

    // Bytes of the sums that a thread works on at a time, beside which tokens and weights have to find room in the second-level cache.
    private const long SumBytes = 128 * 1024;

    // Panels that share a block of tokens: beyond, what reading it again costs is lost in the noise.
    private const int MostPanelsAtATime = 4;

    // Panels whose sums of one token are finished together.
    private const int PanelsOfToken = 16;

    // Tokens of the largest tile.
    private const int MostTileTokens = 12;

    /// <inheritdoc/>
    public string Name => "panels";

    /// <inheritdoc/>
    public IWeightLayout Layout => PanelLayout.Instance;

    /// <inheritdoc/>
    public int MostTokens => MostTokensAtATime;

    /// <inheritdoc/>
    public string? WhyNot(in GemmProblem problem) => problem.Kernel == CpuKernel.Sgemm ? "the options ask for kernel sgemm." : null;

    /// <inheritdoc/>
    public void Place(ref TokenGroup group, ref long elements)
    {
        group.Tiles = Kernel.Tile(group.Tokens);
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
        long widened = group.Tiles.Count < group.Network.TilesWorthWidening ? 0 : PanelKernel.BlockColumns * Kernel.Rows;
        return Math.Max(SumsOfPanels(group) + widened, Kernel.MostTokens * NativeBuffer.Align(group.Network.InputWidth));
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
            RowSelection rows = Prologue.Collect(chunk, group, group.Tiles.FirstToken(tile), group.Tiles.TokensOf(tile), room);
            long start = chunk.Now();
            panels.WriteRows(tile, rows, width, group.Network.Weights[0].ColumnOrder);
            chunk.Add(FfnStep.Gemm, start);
        }
    }

    /// <inheritdoc/>
    public Slicing Slice(in TokenGroup group, int stage, int wanted, int enough, int alone)
    {
        // Panels that are multiplied together stay together, unless memory is all that counts.
        int granularity = IsSingle(group, stage) ? Math.Max(ColumnGranularity, 2 * Kernel.Rows / group.Network.Stages[stage].ProjectionCount)
            : group.Tokens <= PanelKernel.FewTokens ? ColumnGranularity
            : Math.Max(ColumnGranularity, PanelsAtATime(group) * Kernel.Rows);
        return Slicing.OfProduct(group.Tiles.Count, group.Network.Stages[stage].Width, wanted, granularity, granularity, enough);
    }

    /// <summary>Runs the panels that hold the region's columns on the region's rows, which are tiles of tokens.</summary>
    public void Run(CpuChunk chunk, in TokenGroup group, int stage, Region region, int worker)
    {
        int projections = group.Network.Stages[stage].ProjectionCount;
        bool isInner = stage < group.Network.Stages.Length - 1 && !(stage == 0 && group.Network.FinishesHiddenRows);
        int end = (region.EndColumn + Kernel.Rows - 1) / Kernel.Rows;
        int together = PanelsAtATime(group);
        bool isSingle = IsSingle(group, stage);
        for (int first = region.FirstColumn / Kernel.Rows; first < end; first += together)
        {
            int panels = Math.Min(together, end - first);
            long start = chunk.Now();
            if (isSingle)
            {
                MultiplyToken(chunk, group, stage, region, first * projections, panels, worker);
                chunk.Add(FfnStep.Gemm, start);
                Finish(
                    chunk, group, stage, region, first * Kernel.Rows, panels * Kernel.Rows, Sums(chunk, group, worker, 0),
                    Sums(chunk, group, worker, (projections - 1) * panels));
            }
            else
            {
                Multiply(chunk, group, stage, region, first * projections, panels * projections, worker);
                chunk.Add(FfnStep.Gemm, start);
                for (int i = 0; i < panels; i++)
                {
                    float* gate = Sums(chunk, group, worker, i * projections);
                    float* up = Sums(chunk, group, worker, (i * projections) + projections - 1);
                    Finish(chunk, group, stage, region, (first + i) * Kernel.Rows, Kernel.Rows, gate, up);
                }
            }

            if (isInner)
            {
                WriteHidden(chunk, group, stage, region, first, panels, worker);
            }
        }
    }

    /// <inheritdoc/>
    public int HiddenRows(in TokenGroup group) => group.Network.FinishesHiddenRows ? group.Tiles.Count : 0;

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
            hidden.WriteRows(tile, new RowSelection(gate.From(first), default), shape.Width, group.Network.Weights[1].ColumnOrder);
            chunk.Add(FfnStep.Activation, start);
        }
    }

    private static void KeptRows(CpuChunk chunk, in TokenGroup group, out Matrix gate, out Matrix up)
    {
        long stride = NativeBuffer.Align(group.Network.Stages[0].Width);
        (gate, up) = (new Matrix(chunk.GateRows(group), stride), new Matrix(chunk.UpRows(group), stride));
    }

    // Whole groups of columns, which integers are made of.
    private static int PanelsAtATime(in TokenGroup tokens)
    {
        int group = Math.Max(1, PanelFormat.GroupColumns / Kernel.Rows);
        long most = Math.Min(SumBytes / (2 * SumElements(tokens) * sizeof(float)), tokens.Tokens == 1 ? PanelsOfToken : MostPanelsAtATime);
        return (int)Math.Max(group, most / group * group);
    }

    // One token, whose sums of a projection lie side by side, panel after panel.
    private static bool IsSingle(in TokenGroup group, int stage) => group.Tokens == 1 && group.Network.Weights[stage].PairsPanels;

    private static long SumElements(in TokenGroup group) => (long)group.Tiles.PaddedTokens * Kernel.Rows;

    private static long SumsOfPanels(in TokenGroup group) => 2 * SumElements(group) * PanelsAtATime(group);

    // A thread's sums for one of the panels that it multiplies together, gate and up panels in turns.
    private static float* Sums(CpuChunk chunk, in TokenGroup group, int worker, int panel) => chunk.Own(worker) + (panel * SumElements(group));

    private static TokenPanels Tokens(CpuChunk chunk, in TokenGroup group, int stage) => new(
        chunk.Rows(group, stage),
        group.Tiles,
        PanelFormat.PaddedColumns(group.Network.Stages[stage].InputWidth),
        group.Network.Weights[stage].KernelOf(0).Form);

    // Panels are counted over both projections here, as they lie in memory.
    private static void Multiply(CpuChunk chunk, in TokenGroup group, int stage, Region region, int firstPanel, int panels, int worker)
    {
        // Memory is read from end to end where that is what takes time. Else panels go through their columns together, so that a block
        // of the tokens serves them all while it is in cache.
        int together = group.Tokens <= PanelKernel.FewTokens ? 1 : panels;
        for (int first = 0; first < panels; first += together)
        {
            MultiplyTogether(chunk, group, stage, region, firstPanel + first, together, worker, first);
        }
    }

    // Two panels at a time, as they lie: one of each projection, or two of the only one.
    private static void MultiplyToken(CpuChunk chunk, in TokenGroup group, int stage, Region region, int firstPanel, int panels, int worker)
    {
        StageWeights weights = group.Network.Weights[stage];
        int projections = weights.Shape.ProjectionCount;
        PanelKernel kernel = weights.KernelOf(0);
        TokenPanels token = Tokens(chunk, group, stage);
        int apart = projections == 1 ? Kernel.Rows : panels * Kernel.Rows;
        int groups = PanelFormat.Groups(weights.Shape.InputWidth);
        int pairs = panels * projections / 2;
        for (int i = 0; i < pairs; i++)
        {
            float* sums = Sums(chunk, group, worker, i * 2 / projections);
            int panel = firstPanel + (2 * i);
            for (int block = 0; block < groups; block += PanelKernel.BlockGroups)
            {
                int count = Math.Min(PanelKernel.BlockGroups, groups - block);
                byte* next = block + count < groups ? Block(weights, panel, block + count) : Block(weights, panel + 2, 0);
                kernel.MultiplyPair(
                    Block(weights, panel, block), Block(weights, panel + 1, block), count, token.At(0, (long)block * PanelFormat.GroupColumns),
                    sums, sums + apart, accumulate: block > 0, next, kernel.BytesOf(block, count));
            }
        }

        if (2 * pairs < panels * projections)
        {
            MultiplyTogether(chunk, group, stage, region, firstPanel + (2 * pairs), panels: 1, worker, 2 * pairs);
        }
    }

    private static void MultiplyTogether(
        CpuChunk chunk, in TokenGroup group, int stage, Region region, int firstPanel, int panels, int worker, int firstSums)
    {
        StageWeights weights = group.Network.Weights[stage];
        int projections = weights.Shape.ProjectionCount;
        int width = weights.Shape.InputWidth;
        TokenPanels input = Tokens(chunk, group, stage);
        int columnGroups = PanelFormat.Groups(width);
        int most = weights.KernelOf(firstPanel % projections).GroupsAtATime;
        byte* read = Block(weights, firstPanel, 0);
        for (int block = 0; block < columnGroups; block += most)
        {
            int count = Math.Min(most, columnGroups - block);
            for (int i = 0; i < panels; i++)
            {
                int panel = firstPanel + i;
                PanelKernel kernel = weights.KernelOf(panel % projections);

                // What is read after the last block of all is only ever asked for, wherever it lies.
                byte* next = i + 1 < panels ? Block(weights, panel + 1, block)
                    : block + count < columnGroups ? Block(weights, firstPanel, block + count)
                    : Block(weights, firstPanel + panels, 0);
                byte* columns = read;
                PanelKernel multiplier = kernel;
                if (region.Rows >= kernel.TilesWorthWidening && kernel.Widened != kernel)
                {
                    float* widened = chunk.Own(worker) + SumsOfPanels(group);
                    kernel.Unpack(Block(weights, panel, 0), width, block, count, widened, kernel.Rows);
                    columns = (byte*)widened;
                    multiplier = kernel.Widened;
                }

                multiplier.Multiply(
                    columns, count, input, (long)block * PanelFormat.GroupColumns, region.FirstRow, region.EndRow,
                    Sums(chunk, group, worker, firstSums + i), accumulate: block > 0, next, kernel.BytesOf(block, count));
                read = next;
            }
        }
    }

    // Where a block of a panel begins, panels counted over the projections as they lie.
    private static byte* Block(StageWeights weights, int panel, int columnGroup)
    {
        int projections = weights.Shape.ProjectionCount;
        int projection = panel % projections;
        return weights.Panel(panel / projections, projection) + weights.KernelOf(projection).BytesOf(columnGroup);
    }

    private static void Finish(
        CpuChunk chunk, in TokenGroup group, int stage, Region region, int firstColumn, int mostColumns, float* gate, float* up)
    {
        int columns = Math.Min(mostColumns, group.Network.Stages[stage].Width - firstColumn);
        int first = group.Tiles.FirstToken(region.FirstRow);
        int rows = group.Tiles.FirstToken(region.EndRow - 1) + group.Tiles.TokensOf(region.EndRow - 1) - first;
        long start = chunk.Now();
        if (stage == 0 && group.Network.FinishesHiddenRows)
        {
            Keep(chunk, group, first, rows, firstColumn, columns, gate, up);
            chunk.Add(FfnStep.Activation, start);
            return;
        }

        var sums = new Matrix(gate, Kernel.Rows);
        Epilogue.Activate(chunk, group, stage, first, rows, firstColumn, columns, sums, new Matrix(up, Kernel.Rows));
        chunk.Add(FfnStep.Activation, start);
        if (stage == group.Network.Stages.Length - 1)
        {
            start = chunk.Now();
            Epilogue.Write(chunk, group, first, rows, firstColumn, columns, sums);
            chunk.Add(FfnStep.Residual, start);
        }
    }

    // The hidden rows of some panels, as the next stage reads them.
    [SkipLocalsInit]
    private static void WriteHidden(CpuChunk chunk, in TokenGroup group, int stage, Region region, int firstPanel, int panels, int worker)
    {
        int projections = group.Network.Stages[stage].ProjectionCount;
        int width = group.Network.Stages[stage].Width;
        TokenPanels hidden = Tokens(chunk, group, stage + 1);
        float* together = stackalloc float[MostTileTokens * PanelFormat.GroupColumns];

        // Floats go as they are multiplied, integers by whole groups.
        bool isSingle = IsSingle(group, stage);
        int step = isSingle ? panels * Kernel.Rows
            : group.Network.Weights[stage + 1].KernelOf(0).Form.IsFloat ? Kernel.Rows
            : Math.Max(Kernel.Rows, PanelFormat.GroupColumns);
        int end = Math.Min(width, (firstPanel + panels) * Kernel.Rows);
        long start = chunk.Now();
        for (int tile = region.FirstRow; tile < region.EndRow; tile++)
        {
            int above = (group.Tiles.FirstToken(tile) - group.Tiles.FirstToken(region.FirstRow)) * Kernel.Rows;
            int tokens = group.Tiles.TokensOf(tile);
            for (int column = firstPanel * Kernel.Rows; column < end; column += step)
            {
                int panel = (column / Kernel.Rows) - firstPanel;
                int count = Math.Min(step, end - column);
                float* rows = Sums(chunk, group, worker, panel * projections) + above;
                if (step > Kernel.Rows && !isSingle)
                {
                    for (int i = 0; i * Kernel.Rows < count; i++)
                    {
                        float* part = Sums(chunk, group, worker, (panel + i) * projections) + above;
                        for (int token = 0; token < tokens; token++)
                        {
                            RowKernel.Copy(together + (token * step) + (i * Kernel.Rows), part + (token * Kernel.Rows), Kernel.Rows);
                        }
                    }

                    rows = together;
                }

                hidden.Write(tile, column, new RowSelection(rows, step), count);
            }

            if (end == width)
            {
                hidden.Clear(tile, width);
            }
        }

        chunk.Add(FfnStep.Activation, start);
    }

    // Whole rows are finished once all panels have been multiplied.
    private static void Keep(CpuChunk chunk, in TokenGroup group, int firstRow, int rows, int firstColumn, int columns, float* gate, float* up)
    {
        KeptRows(chunk, group, out Matrix gateRows, out Matrix upRows);
        for (int i = 0; i < rows; i++)
        {
            RowKernel.Copy(gateRows.Row(firstRow + i) + firstColumn, gate + (i * Kernel.Rows), columns);
            if (group.Network.Stages[0].Kind.Gated)
            {
                RowKernel.Copy(upRows.Row(firstRow + i) + firstColumn, up + (i * Kernel.Rows), columns);
            }
        }
    }
}
