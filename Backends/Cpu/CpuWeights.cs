using NativeFfn.Backends.Cpu.Memory;

namespace NativeFfn.Backends.Cpu;

/// <summary>All tensors of a layer in one piece of native memory, each on a cache-line boundary, matrices as <c>[out, in]</c>.</summary>
internal sealed unsafe class CpuWeights
{
    private readonly StageWeights[] _stages;
    private NormWeights _preNorm;
    private NormWeights _branchNorm;
    private NormWeights _postNorm;

    /// <summary>Reads every tensor once, straight to its place, and settles which product each stage uses when.</summary>
    public CpuWeights(FfnSpec spec, IFfnWeightSource source, CpuProducts products)
    {
        Spec = spec;
        _stages = new StageWeights[spec.Stages.Length];
        for (int i = 0; i < _stages.Length; i++)
        {
            _stages[i].SwitchPoint = products.SwitchPointOf(spec.Stages[i]);
        }

        long elements = 0;
        foreach (FfnTensor tensor in spec.Tensors)
        {
            elements = checked(elements + NativeBuffer.Align(tensor.Rows * StrideOf(tensor.Rows, tensor.Columns)));
        }

        Memory = new NativeBuffer(elements, $"The weights of {spec}");
        try
        {
            float* place = Memory.Pointer;
            foreach (FfnTensor tensor in spec.Tensors)
            {
                long stride = StrideOf(tensor.Rows, tensor.Columns);
                source.ReadRows(tensor, 0, new Span<float>(place, checked((int)tensor.ElementCount)));
                Spread(place, tensor, stride);
                Slot(tensor) = place;
                place += NativeBuffer.Align(tensor.Rows * stride);
            }
        }
        catch
        {
            Memory.Dispose();
            throw;
        }

        ref float* Slot(FfnTensor tensor)
        {
            ref StageWeights stage = ref _stages[tensor.Stage];
            switch (tensor.Role)
            {
                case FfnTensorRole.Weight:
                    return ref stage.Weight;
                case FfnTensorRole.Bias:
                    return ref stage.Bias;
                case FfnTensorRole.UpWeight:
                    return ref stage.UpWeight;
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
                    throw new ArgumentOutOfRangeException(nameof(tensor), tensor.Role, "No such role.");
            }
        }
    }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>The memory; the pointers below hold only while a reference to it is held.</summary>
    public NativeBuffer Memory { get; }

    /// <summary>The tensors of each stage.</summary>
    public ReadOnlySpan<StageWeights> Stages => _stages;

    public NormWeights PreNorm => _preNorm;

    public NormWeights BranchNorm => _branchNorm;

    public NormWeights PostNorm => _postNorm;

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

    // From the last row on, each moves to where nothing is any more.
    private static void Spread(float* rows, FfnTensor tensor, long stride)
    {
        for (long row = tensor.Rows - 1; row > 0 && stride != tensor.Columns; row--)
        {
            new ReadOnlySpan<float>(rows + (row * tensor.Columns), tensor.Columns).CopyTo(new Span<float>(rows + (row * stride), tensor.Columns));
        }
    }

    /// <summary>The tensors of a stage; null where the stage has none.</summary>
    public struct StageWeights
    {
        public float* Weight;
        public float* Bias;
        public float* UpWeight;
        public float* UpBias;

        /// <summary>The most tokens for which the skinny product is used.</summary>
        public int SwitchPoint;
    }

    /// <summary>The tensors of a norm; null where there is none.</summary>
    public struct NormWeights
    {
        public float* Weight;
        public float* Bias;
    }
}
