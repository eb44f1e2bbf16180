using NativeFfn.Backends.Cpu.Forward;
using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Weights;
using NativeFfn.Backends.Encodings;

namespace NativeFfn.Backends.Cpu.Gemm.Sgemm;

/// <summary>A library's product on rows of float32 as <c>[out, in]</c>, which only it reads.</summary>
/// <param name="library">The library's product; null where there is none.</param>
internal sealed unsafe class LibraryRowGemm(IMatrixProduct? library) : LibraryGemm(library)
{
    /// <inheritdoc/>
    public override string Name => "sgemm on rows";

    /// <inheritdoc/>
    public override IWeightLayout Layout { get; } = new FloatRowLayout();

    /// <inheritdoc/>
    public override string? WhyNot(in GemmProblem problem) =>
        base.WhyNot(problem)
        ?? (problem.Kernel != CpuKernel.Sgemm ? "the panel kernels read panels only."
            : problem.Encodings.FirstOrDefault(static encoding => encoding != WeightEncodings.Float32) is { } other ? $"it reads f32 and not {other}."
            : null);

    /// <inheritdoc/>
    public override long WorkerElements(in TokenGroup group) => 0;

    /// <inheritdoc/>
    protected override void Multiply(
        int m, int firstColumn, int n, float* a, long lda, NetworkWeights network, int stage, int projection, float* c, long ldc,
        bool accumulate, float* own)
    {
        FfnStage shape = network.Stages[stage];
        long stride = FloatRowLayout.StrideOf(shape.Width, shape.InputWidth);
        float* rows = network.Weights[stage].Matrices + (projection * FloatRowLayout.MatrixElements(shape));
        Library.Multiply(m, n, shape.InputWidth, a, lda, rows + (firstColumn * stride), stride, transposed: true, c, ldc, accumulate);
    }
}

/// <summary>Matrices as rows of float32, <c>[out, in]</c>.</summary>
internal sealed unsafe class FloatRowLayout : IWeightLayout
{
    /// <summary>Elements from one row of a matrix to the next.</summary>
    /// <remarks>
    /// Rows a multiple of a page apart share the few places that a first-level cache has for them, and push each other out; such rows are
    /// moved a cache line apart, unless the matrix would then pass the 32-bit limit that it keeps without.
    /// </remarks>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Elements of a row.</param>
    public static long StrideOf(int rows, int columns)
    {
        const int pageElements = 4096 / sizeof(float);
        const int lineElements = NativeBuffer.Alignment / sizeof(float);
        long apart = columns + lineElements;
        return columns % pageElements == 0 && rows * apart <= FfnSpec.MaxMatrixElements ? apart : columns;
    }

    /// <summary>Elements of a projection.</summary>
    public static long MatrixElements(FfnStage stage) => NativeBuffer.Align(stage.Width * StrideOf(stage.Width, stage.InputWidth));

    /// <inheritdoc/>
    public long Elements(StageWeights stage) => stage.Shape.ProjectionCount * MatrixElements(stage.Shape);

    /// <inheritdoc/>
    public IEnumerable<(long Offset, long Bytes)> Runs(StageWeights stage)
    {
        long bytes = MatrixElements(stage.Shape) * sizeof(float);
        return Enumerable.Range(0, stage.Shape.ProjectionCount).Select(projection => (projection * bytes, bytes));
    }

    /// <inheritdoc/>
    public void Read(StageWeights stage, int projection, FfnTensor tensor, IFfnWeightSource source, RowEncoder encoder)
    {
        float* rows = stage.Matrices + (projection * MatrixElements(stage.Shape));
        source.ReadRows(tensor, 0, new Span<float>(rows, checked((int)tensor.ElementCount)));

        // From the last row on, each moves to where nothing is any more.
        long stride = StrideOf(tensor.Rows, tensor.Columns);
        for (long row = tensor.Rows - 1; row > 0 && stride != tensor.Columns; row--)
        {
            new ReadOnlySpan<float>(rows + (row * tensor.Columns), tensor.Columns).CopyTo(new Span<float>(rows + (row * stride), tensor.Columns));
        }
    }
}
