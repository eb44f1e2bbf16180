using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Backends.Cpu.Weights;

namespace NativeFfn.Backends.Cpu.Gemm.Sgemm;

/// <summary>A library's product on whole rows; how weights reach it is for who derives from it.</summary>
/// <param name="library">The library's product; null where there is none.</param>
internal abstract unsafe class LibraryGemm(IMatrixProduct? library) : IGemm
{
    /// <summary>Tokens at a time: enough for a product to reach its full rate, few enough for hidden rows to stay small.</summary>
    public const int MostTokensAtATime = 512;

    // A library's product should be wide enough to fill its tiles, and to be worth packing the tokens for.
    private const int MinimumColumns = 64;

    // Whole panels of every width, and whole cache lines, so that no two slices share one.
    private const int ColumnGranularity = 32;

    /// <inheritdoc/>
    public abstract string Name { get; }

    /// <inheritdoc/>
    public abstract IWeightLayout Layout { get; }

    /// <inheritdoc/>
    public int MostTokens => MostTokensAtATime;

    /// <summary>The library's product.</summary>
    protected IMatrixProduct Library => library!;

    /// <inheritdoc/>
    public virtual string? WhyNot(in GemmProblem problem) =>
        library is null ? "the backend has no library."
        : problem.Kernel == CpuKernel.Panels ? "the options ask for kernel panels."
        : null;

    /// <inheritdoc/>
    public void Place(ref TokenGroup group, ref long elements)
    {
        // Row widths are whole cache lines, so that every row starts on one. The even place holds a collected input as well.
        (long even, long odd, long up) = (NativeBuffer.Align(group.Network.InputWidth), 0, 0);
        for (int i = 0; i < group.Network.Stages.Length; i++)
        {
            FfnStage stage = group.Network.Stages[i];
            long width = NativeBuffer.Align(stage.Width);
            up = stage.Kind.Gated ? Math.Max(up, width) : up;
            (even, odd) = i % 2 == 0 ? (even, Math.Max(odd, width)) : (Math.Max(even, width), odd);
        }

        group.Even = elements;
        group.Odd = group.Even + (group.Tokens * even);
        group.Up = group.Odd + (group.Tokens * odd);
        elements = group.Up + (group.Tokens * up);
    }

    /// <inheritdoc/>
    public abstract long WorkerElements(in TokenGroup group);

    /// <inheritdoc/>
    public int PackRows(CpuChunk chunk, in TokenGroup group) => chunk.PackNorm is null && group.IsContiguous ? 0 : group.Tokens;

    /// <inheritdoc/>
    public void Pack(CpuChunk chunk, in TokenGroup group, Region region, int worker)
    {
        var packed = new Matrix(chunk.Rows(group, 0), NativeBuffer.Align(group.Network.InputWidth));
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            RowSelection collected = Prologue.Collect(chunk, group, row, 1, packed.From(row));
            RowKernel.Copy(packed.Row(row), collected[0], group.Network.InputWidth);
        }
    }

    /// <inheritdoc/>
    public Slicing Slice(in TokenGroup group, int stage, int wanted, int enough, int alone) => Slicing.OfProduct(
        group.Tokens, group.Network.Stages[stage].Width, alone, ColumnGranularity, MinimumColumns, alone);

    /// <inheritdoc/>
    public void Run(CpuChunk chunk, in TokenGroup group, int stage, Region region, int worker)
    {
        NetworkWeights network = group.Network;
        FfnStage shape = network.Stages[stage];
        if (stage < network.Stages.Length - 1)
        {
            RunTo(new Matrix(chunk.Rows(group, stage + 1), NativeBuffer.Align(shape.Width)), chunk, group, stage, region, worker);
            return;
        }

        if (shape.Kind == FfnKind.Linear)
        {
            // The product is added to what the result must hold beside it, so the result is written once.
            Matrix result = chunk.Results.IsNull ? chunk.Output.From(group.FirstToken) : chunk.Results.From(group.FirstRow);
            bool accumulate = WriteResidualAndBias(chunk, group, stage, result, region);
            Multiply(chunk, group, stage, 0, result, region, worker, accumulate);
            return;
        }

        var branch = new Matrix(chunk.Rows(group, stage + 1), NativeBuffer.Align(shape.Width));
        RunTo(branch, chunk, group, stage, region, worker);
        long start = chunk.Now();
        Epilogue.Write(chunk, group, region.FirstRow, region.Rows, region.FirstColumn, region.Columns, branch.From(region.FirstRow, region.FirstColumn));
        chunk.Add(FfnStep.Residual, start);
    }

    /// <inheritdoc/>
    public int HiddenRows(in TokenGroup group) => group.Network.FinishesHiddenRows ? group.Tokens : 0;

    /// <inheritdoc/>
    public void FinishHidden(CpuChunk chunk, in TokenGroup group, Region region)
    {
        FfnStage shape = group.Network.Stages[0];
        long stride = NativeBuffer.Align(shape.Width);
        var gate = new Matrix(chunk.Rows(group, 1), stride);
        var up = new Matrix(chunk.UpRows(group), stride);
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            Forward.HiddenRows.Finish(chunk, group, row, gate.Row(row), shape.Kind.Gated ? up.Row(row) : null);
        }
    }

    /// <summary>C[m, n] = A[m, k] · Wᵀ for some rows of a stage's projection, or C += that product.</summary>
    /// <param name="m">Rows of A and C.</param>
    /// <param name="firstColumn">The first column of C, a row of W.</param>
    /// <param name="n">Columns of C.</param>
    /// <param name="a">A.</param>
    /// <param name="lda">From one row of A to the next.</param>
    /// <param name="network">The network.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="projection">0 for the activated one, 1 for the up projection.</param>
    /// <param name="c">C.</param>
    /// <param name="ldc">From one row of C to the next.</param>
    /// <param name="accumulate">Whether C is added to.</param>
    /// <param name="own">The thread's own memory.</param>
    protected abstract void Multiply(
        int m, int firstColumn, int n, float* a, long lda, NetworkWeights network, int stage, int projection, float* c, long ldc,
        bool accumulate, float* own);

    private void RunTo(Matrix result, CpuChunk chunk, in TokenGroup group, int stage, Region region, int worker)
    {
        FfnStage shape = group.Network.Stages[stage];
        var upRows = new Matrix(chunk.UpRows(group), NativeBuffer.Align(shape.Width));
        Multiply(chunk, group, stage, 0, result, region, worker, accumulate: false);
        if (shape.Kind.Gated)
        {
            Multiply(chunk, group, stage, 1, upRows, region, worker, accumulate: false);
        }

        if (stage == 0 && group.Network.FinishesHiddenRows)
        {
            return;
        }

        long start = chunk.Now();
        Epilogue.Activate(
            chunk, group, stage, region.FirstRow, region.Rows, region.FirstColumn, region.Columns,
            result.From(region.FirstRow, region.FirstColumn), upRows.From(region.FirstRow, region.FirstColumn));
        chunk.Add(FfnStep.Activation, start);
    }

    // result = residual + bias, either of which may be missing; false where both are and the result holds nothing.
    private static bool WriteResidualAndBias(CpuChunk chunk, in TokenGroup group, int stage, Matrix result, Region region)
    {
        float* bias = group.Network.Weights[stage].Bias;
        Matrix residuals = chunk.Results.IsNull && !chunk.Residual.IsNull ? chunk.Residual.From(group.FirstToken) : default;
        if (residuals.IsNull && bias == null)
        {
            return false;
        }

        long start = chunk.Now();
        int first = region.FirstColumn;
        for (int row = region.FirstRow; row < region.EndRow; row++)
        {
            float* output = result.Row(row) + first;
            float* residual = residuals.IsNull ? null : residuals.Row(row) + first;
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

    private void Multiply(
        CpuChunk chunk, in TokenGroup group, int stage, int projection, Matrix result, Region region, int worker, bool accumulate)
    {
        Matrix input = stage == 0 && PackRows(chunk, group) == 0
            ? chunk.NetworkInput.From(group.FirstToken)
            : new Matrix(chunk.Rows(group, stage), NativeBuffer.Align(group.Network.Stages[stage].InputWidth));
        long start = chunk.Now();
        Multiply(
            region.Rows, region.FirstColumn, region.Columns, input.Row(region.FirstRow), input.Stride, group.Network, stage, projection,
            result.Row(region.FirstRow) + region.FirstColumn, result.Stride, accumulate, chunk.Own(worker));
        chunk.Add(FfnStep.Gemm, start);
    }
}
