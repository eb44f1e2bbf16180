using NativeFfn.Backends.CuBlas.Device;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>Where the tensors of a network lie in its memory, in an engine's format. Networks of one shape have them in common.</summary>
/// <remarks>A gated stage's matrices, biases and scales lie side by side, each half padded, so that one product gives [gate | up].</remarks>
internal sealed class WeightPlaces
{
    private readonly Dictionary<FfnTensor, (long Offset, long Bytes)> _tensors = [];
    private readonly (long Offset, long Bytes)[] _scales;
    private readonly (long Offset, long Bytes)[] _operandBiases;

    /// <summary>Places every tensor.</summary>
    /// <param name="spec">The network.</param>
    /// <param name="format">How its matrices are kept.</param>
    public WeightPlaces(FfnSpec spec, DeviceFormat format)
    {
        Spec = spec;
        Format = format;
        _scales = new (long Offset, long Bytes)[spec.Stages.Length];
        _operandBiases = new (long Offset, long Bytes)[spec.Stages.Length];
        var layout = default(DeviceLayout);
        foreach (FfnTensor tensor in spec.Tensors)
        {
            Place(tensor, ref layout);
        }

        Bytes = layout.Bytes;
    }

    /// <summary>The network.</summary>
    public FfnSpec Spec { get; }

    /// <summary>How its matrices are kept.</summary>
    public DeviceFormat Format { get; }

    /// <summary>Bytes of the whole, a multiple of <see cref="DeviceLayout.Alignment"/>.</summary>
    public long Bytes { get; }

    /// <summary>A tensor's place.</summary>
    public (long Offset, long Bytes) Of(FfnTensor tensor) => _tensors[tensor];

    /// <summary>The place of all matrices of a stage.</summary>
    public (long Offset, long Bytes) MatricesOf(int stage) => OfStage(FfnTensorRole.Weight, stage);

    /// <summary>The place of all biases of a stage; empty where it has none.</summary>
    public (long Offset, long Bytes) BiasesOf(int stage) => OfStage(FfnTensorRole.Bias, stage);

    /// <summary>The place of a stage's scales; empty where the format has none.</summary>
    public (long Offset, long Bytes) ScalesOf(int stage) => _scales[stage];

    /// <summary>The place of a stage's biases in the operands' type; empty where they are not used.</summary>
    public (long Offset, long Bytes) OperandBiasesOf(int stage) => _operandBiases[stage];

    private void Place(FfnTensor tensor, ref DeviceLayout layout)
    {
        if (tensor.Role is FfnTensorRole.UpWeight or FfnTensorRole.UpBias)
        {
            FfnTensor first = Spec.Tensors.First(other =>
                other.Stage == tensor.Stage && other.Role == (tensor.IsVector ? FfnTensorRole.Bias : FfnTensorRole.Weight));
            (long offset, long bytes) = _tensors[first];
            _tensors.Add(tensor, (offset + bytes, bytes));
            return;
        }

        bool ofStage = tensor.Role is FfnTensorRole.Weight or FfnTensorRole.Bias;
        FfnStage stage = Spec.Stages[tensor.Stage];
        long rows = tensor.IsVector ? 1 : DeviceFormat.Padded(tensor.Rows);
        long elements = rows * DeviceFormat.Padded(tensor.Columns);
        int halves = ofStage ? stage.ProjectionCount : 1;
        (long place, long all) = layout.Add(checked(elements * halves), tensor.IsVector ? sizeof(float) : Format.OperandBytes);
        _tensors.Add(tensor, (place, all / halves));
        if (tensor.Role == FfnTensorRole.Weight && Format.IsScaled)
        {
            _scales[tensor.Stage] = layout.Add(rows * halves, sizeof(float));
        }

        if (tensor.Role == FfnTensorRole.Bias && DeviceWeights.HasEpilogue(stage, Format) && tensor.Stage < Spec.Stages.Length - 1)
        {
            _operandBiases[tensor.Stage] = layout.Add(elements, Format.OperandBytes);
        }
    }

    private (long Offset, long Bytes) OfStage(FfnTensorRole role, int stage)
    {
        FfnTensor? tensor = Spec.Tensors.FirstOrDefault(tensor => tensor.Stage == stage && tensor.Role == role);
        if (tensor is null)
        {
            return default;
        }

        (long offset, long bytes) = _tensors[tensor];
        return (offset, bytes * Spec.Stages[stage].ProjectionCount);
    }
}
