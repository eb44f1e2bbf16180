using System.Collections.Immutable;
using NativeFfn.Backends.Storage;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>All tensors of a layer in one piece of device memory, in the engine's precision; biases, norms and scales in float32.</summary>
internal sealed class DeviceWeights
{
    private readonly Dictionary<FfnTensor, (long Offset, long Bytes)> _places = [];

    /// <summary>Reads every tensor once, in pieces, and uploads it.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="source">Its weights.</param>
    /// <param name="format">How they are kept.</param>
    /// <param name="memory">Gives device memory.</param>
    /// <param name="uploader">Carries them over.</param>
    public DeviceWeights(FfnSpec spec, IFfnWeightSource source, DeviceFormat format, DeviceAllocator memory, WeightUploader uploader)
    {
        Spec = spec;
        Format = format;
        var layout = default(DeviceLayout);
        var scales = new (long Offset, long Bytes)[spec.Stages.Length];
        var operandBiases = new (long Offset, long Bytes)[spec.Stages.Length];
        Place(ref layout, scales, operandBiases);
        Memory = memory.Allocate(layout.Bytes, $"The weights of {spec}");
        try
        {
            // Padding is zeros: what a kernel reads beyond a row's end must not count.
            uploader.Clear(Memory.Region);
            Stages = [.. spec.Stages.Select((stage, index) => new DeviceStage(
                stage, MatrixPlace(index), Part(FfnTensorRole.Bias, index), Slice(scales[index]), Slice(operandBiases[index])))];
            PreNorm = Norm(spec.PreNorm, FfnTensorRole.PreNormWeight, FfnTensorRole.PreNormBias);
            BranchNorm = Norm(spec.BranchNorm, FfnTensorRole.BranchNormWeight, FfnTensorRole.BranchNormBias);
            PostNorm = Norm(spec.PostNorm, FfnTensorRole.PostNormWeight, FfnTensorRole.PostNormBias);
            var encoder = new WeightEncoder(format);
            foreach (FfnTensor tensor in spec.Tensors)
            {
                DeviceStage stage = Stages[tensor.Stage];
                DeviceRegion target = Slice(_places[tensor]);
                if (!tensor.IsVector)
                {
                    long up = tensor.Role == FfnTensorRole.UpWeight ? stage.PaddedWidth : 0;
                    DeviceRegion channelScales = format.IsScaled
                        ? stage.ChannelScales.Slice(up * sizeof(float), (long)stage.PaddedWidth * sizeof(float))
                        : default;
                    uploader.UploadMatrix(tensor, source, encoder, format, target, channelScales);
                }
                else
                {
                    uploader.UploadVector(tensor, source, target, tensor.Role == FfnTensorRole.Bias ? stage.OperandBias : default, format);
                }
            }

            Error = encoder.Error;
        }
        catch
        {
            Memory.Dispose();
            throw;
        }
    }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>How matrices are kept.</summary>
    public DeviceFormat Format { get; }

    /// <summary>The memory; the regions below hold only while a reference to it is held.</summary>
    public DeviceMemory Memory { get; }

    /// <summary>What the format lost.</summary>
    public StorageError Error { get; }

    /// <summary>The tensors of each stage.</summary>
    public ImmutableArray<DeviceStage> Stages { get; }

    public DeviceNorm PreNorm { get; }

    public DeviceNorm BranchNorm { get; }

    public DeviceNorm PostNorm { get; }

    /// <summary>Whether cuBLASLt has the stage's activation among its epilogues, so that its projection gives the next stage's operands at once.</summary>
    /// <param name="stage">The stage.</param>
    /// <param name="format">The format; scaled operands have to be scaled first.</param>
    public static bool HasEpilogue(FfnStage stage, DeviceFormat format) =>
        !stage.Kind.Gated && !format.IsScaled && stage.Kind.Activation is Activation.Identity or Activation.Relu or Activation.GeluTanh;

    // A gated stage's matrices, biases and scales lie side by side, each half padded, so that one product gives [gate | up].
    private void Place(ref DeviceLayout layout, Span<(long Offset, long Bytes)> scales, Span<(long Offset, long Bytes)> operandBiases)
    {
        foreach (FfnTensor tensor in Spec.Tensors)
        {
            if (tensor.Role is FfnTensorRole.UpWeight or FfnTensorRole.UpBias)
            {
                FfnTensor first = Spec.Tensors.First(other =>
                    other.Stage == tensor.Stage && other.Role == (tensor.IsVector ? FfnTensorRole.Bias : FfnTensorRole.Weight));
                (long offset, long bytes) = _places[first];
                _places.Add(tensor, (offset + bytes, bytes));
                continue;
            }

            bool ofStage = tensor.Role is FfnTensorRole.Weight or FfnTensorRole.Bias;
            FfnStage stage = Spec.Stages[tensor.Stage];
            long rows = tensor.IsVector ? 1 : DeviceFormat.Padded(tensor.Rows);
            long elements = rows * DeviceFormat.Padded(tensor.Columns);
            int halves = ofStage ? stage.ProjectionCount : 1;
            (long place, long all) = layout.Add(checked(elements * halves), tensor.IsVector ? sizeof(float) : Format.OperandBytes);
            _places.Add(tensor, (place, all / halves));
            if (tensor.Role == FfnTensorRole.Weight && Format.IsScaled)
            {
                scales[tensor.Stage] = layout.Add(rows * halves, sizeof(float));
            }

            if (tensor.Role == FfnTensorRole.Bias && HasEpilogue(stage, Format) && tensor.Stage < Spec.Stages.Length - 1)
            {
                operandBiases[tensor.Stage] = layout.Add(elements, Format.OperandBytes);
            }
        }
    }

    private DeviceRegion MatrixPlace(int stage)
    {
        FfnTensor weight = Spec.Tensors.First(tensor => tensor.Stage == stage && tensor.Role == FfnTensorRole.Weight);
        (long offset, long bytes) = _places[weight];
        return Slice((offset, bytes * Spec.Stages[stage].ProjectionCount));
    }

    private DeviceRegion Part(FfnTensorRole role, int stage)
    {
        FfnTensor? tensor = Spec.Tensors.FirstOrDefault(tensor => tensor.Stage == stage && tensor.Role == role);
        if (tensor is null)
        {
            return default;
        }

        (long offset, long bytes) = _places[tensor];
        return Slice((offset, bytes * Spec.Stages[stage].ProjectionCount));
    }

    private DeviceNorm Norm(NormSpec? spec, FfnTensorRole weight, FfnTensorRole bias) => spec is null
        ? default
        : new DeviceNorm(spec, Vector(weight), spec.HasBias ? Vector(bias) : default);

    private DeviceRegion Vector(FfnTensorRole role) => Slice(_places[Spec.Tensors.Single(tensor => tensor.Role == role)]);

    private DeviceRegion Slice((long Offset, long Bytes) place) =>
        place.Bytes == 0 ? default : Memory.Region.Slice(place.Offset, place.Bytes);
}
