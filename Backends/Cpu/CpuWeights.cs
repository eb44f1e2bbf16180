using NativeFfn.Backends.Cpu.Memory;
using NativeFfn.Backends.Cpu.Panels;
using NativeFfn.Backends.Storage;

namespace NativeFfn.Backends.Cpu;

/// <summary>All tensors of a layer in one piece of native memory, each on a cache-line boundary.</summary>
/// <remarks>
/// Matrices are panels in the engine's precision, a gated stage's gate and up panels in turns, so that a forward reads memory from end to
/// end; or, where only a library multiplies them, rows of float32 as <c>[out, in]</c>. Vectors are float32.
/// </remarks>
internal sealed unsafe class CpuWeights
{
    private readonly StageWeights[] _stages;
    private NormWeights _preNorm;
    private NormWeights _branchNorm;
    private NormWeights _postNorm;

    /// <summary>Reads every tensor once, in pieces, and settles which product is used for how many tokens.</summary>
    public CpuWeights(FfnSpec spec, IFfnWeightSource source, CpuProducts products)
    {
        Spec = spec;
        Products = products;
        _stages = new StageWeights[spec.Stages.Length];
        Memory = new NativeBuffer(ElementsOf(spec, products), $"The weights of {spec}");
        try
        {
            PlaceTensors();
            var packer = new PanelPacker(Format);
            foreach (FfnTensor tensor in spec.Tensors)
            {
                Read(tensor, source, packer);
            }

            Error = packer.Error;
            PanelTokens = products.PanelTokens(spec);
        }
        catch
        {
            Memory.Dispose();
            throw;
        }
    }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>The memory; the pointers below hold only while a reference to it is held.</summary>
    public NativeBuffer Memory { get; }

    /// <summary>How the matrices are multiplied, and so how they are kept.</summary>
    public CpuProducts Products { get; }

    /// <summary>What packing lost.</summary>
    public StorageError Error { get; }

    /// <summary>The most tokens for which the panel kernels are used.</summary>
    public int PanelTokens { get; }

    /// <summary>Whether matrices are rows of float32 and not panels.</summary>
    public bool AreRows => Products.KeepsRows;

    /// <summary>The form of the panels.</summary>
    public PanelFormat Format => Products.Panels.Format;

    /// <summary>The tensors of each stage.</summary>
    public ReadOnlySpan<StageWeights> Stages => _stages;

    public NormWeights PreNorm => _preNorm;

    public NormWeights BranchNorm => _branchNorm;

    public NormWeights PostNorm => _postNorm;

    /// <summary>Elements from one row of a matrix that is kept as rows to the next.</summary>
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

    /// <summary>The panel that holds a row of a stage's projection; 0 is the activated one, 1 the up projection.</summary>
    public byte* Panel(int stage, int panel, int projection)
    {
        FfnStage shape = Spec.Stages[stage];
        return _stages[stage].Panels + ((((long)panel * shape.ProjectionCount) + projection) * Format.PanelBytes(shape.InputWidth));
    }

    /// <summary>Floats that a layer's weights take.</summary>
    /// <exception cref="OverflowException">They pass 64 bits.</exception>
    public static long ElementsOf(FfnSpec spec, CpuProducts products)
    {
        long elements = 0;
        foreach (FfnTensor tensor in spec.Tensors)
        {
            elements = checked(elements + ElementsOf(tensor, products));
        }

        return elements;
    }

    private static long ElementsOf(FfnTensor tensor, CpuProducts products) => NativeBuffer.Align(
        tensor.IsVector ? tensor.Columns
        : products.KeepsRows ? tensor.Rows * StrideOf(tensor.Rows, tensor.Columns)
        : (products.Panels.Format.MatrixBytes(tensor.Rows, tensor.Columns) + sizeof(float) - 1) / sizeof(float));

    private void PlaceTensors()
    {
        float* place = Memory.Pointer;
        foreach (FfnTensor tensor in Spec.Tensors)
        {
            if (tensor.IsVector)
            {
                Vector(tensor) = place;
            }
            else if (tensor.Role == FfnTensorRole.Weight)
            {
                _stages[tensor.Stage].Rows = place;
                _stages[tensor.Stage].Panels = (byte*)place;
                place += ElementsOf(tensor, Products) * (Spec.Stages[tensor.Stage].ProjectionCount - 1);
            }
            else
            {
                // The two are of one shape, and one piece of memory holds them.
                _stages[tensor.Stage].UpRows = _stages[tensor.Stage].Rows + ElementsOf(tensor, Products);
                continue;
            }

            place += ElementsOf(tensor, Products);
        }
    }

    private void Read(FfnTensor tensor, IFfnWeightSource source, PanelPacker packer)
    {
        if (tensor.IsVector)
        {
            source.ReadRows(tensor, 0, new Span<float>(Vector(tensor), tensor.Columns));
        }
        else if (AreRows)
        {
            ReadRows(tensor, source);
        }
        else
        {
            ReadPanels(tensor, source, packer);
        }
    }

    private void ReadRows(FfnTensor tensor, IFfnWeightSource source)
    {
        float* rows = tensor.Role == FfnTensorRole.Weight ? _stages[tensor.Stage].Rows : _stages[tensor.Stage].UpRows;
        source.ReadRows(tensor, 0, new Span<float>(rows, checked((int)tensor.ElementCount)));

        // From the last row on, each moves to where nothing is any more.
        long stride = StrideOf(tensor.Rows, tensor.Columns);
        for (long row = tensor.Rows - 1; row > 0 && stride != tensor.Columns; row--)
        {
            new ReadOnlySpan<float>(rows + (row * tensor.Columns), tensor.Columns).CopyTo(new Span<float>(rows + (row * stride), tensor.Columns));
        }
    }

    private void ReadPanels(FfnTensor tensor, IFfnWeightSource source, PanelPacker packer)
    {
        int projection = tensor.Role == FfnTensorRole.Weight ? 0 : 1;
        int rowsOfPanel = Math.Min(Format.Rows, tensor.Rows);
        using var rows = new NativeBuffer((long)rowsOfPanel * tensor.Columns, $"{rowsOfPanel} rows of {tensor.Name}");
        for (int first = 0; first < tensor.Rows; first += Format.Rows)
        {
            var piece = new Span<float>(rows.Pointer, checked(Math.Min(rowsOfPanel, tensor.Rows - first) * tensor.Columns));
            source.ReadRows(tensor, first, piece);
            packer.Pack(tensor, first, piece, Panel(tensor.Stage, first / Format.Rows, projection));
        }
    }

    private ref float* Vector(FfnTensor tensor)
    {
        ref StageWeights stage = ref _stages[tensor.Stage];
        switch (tensor.Role)
        {
            case FfnTensorRole.Bias:
                return ref stage.Bias;
            case FfnTensorRole.UpBias:
                return ref stage.UpBias;
            case FfnTensorRole.PreNormWeight:
                return ref _preNorm.Weight;
            case FfnTensorRole.PreNormBias:
                return ref _preNorm.Bias;
            case FfnTensorRole.BranchNormWeight:
                return ref _branchNorm.Weight;
            case FfnTensorRole.BranchNormBias:
                return ref _branchNorm.Bias;
            case FfnTensorRole.PostNormWeight:
                return ref _postNorm.Weight;
            case FfnTensorRole.PostNormBias:
                return ref _postNorm.Bias;
            default:
                throw new ArgumentOutOfRangeException(nameof(tensor), tensor.Role, "No vector.");
        }
    }

    /// <summary>The tensors of a stage; null where the stage has none.</summary>
    public struct StageWeights
    {
        /// <summary>Both projections, where matrices are panels.</summary>
        public byte* Panels;

        /// <summary>The activated projection, where matrices are rows.</summary>
        public float* Rows;

        /// <summary>The up projection, where matrices are rows.</summary>
        public float* UpRows;

        public float* Bias;
        public float* UpBias;
    }

    /// <summary>The tensors of a norm; null where there is none.</summary>
    public struct NormWeights
    {
        public float* Weight;
        public float* Bias;
    }
}
