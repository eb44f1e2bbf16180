using System.Collections.Immutable;
using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.Storage;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>All tensors of a network in device memory of its owner's, in the engine's precision; biases, norms and scales in float32.</summary>
internal sealed class DeviceWeights
{
    private readonly WeightPlaces _places;
    private readonly DeviceRegion _memory;

    /// <summary>Reads every tensor once, in pieces, and uploads it.</summary>
    /// <param name="places">The network, and where its tensors lie.</param>
    /// <param name="source">Its weights.</param>
    /// <param name="memory">As many bytes as the places have; must stay for as long as the weights are used.</param>
    /// <param name="uploader">Carries them over.</param>
    public DeviceWeights(WeightPlaces places, IFfnWeightSource source, DeviceRegion memory, WeightUploader uploader)
    {
        _places = places;
        _memory = memory;

        // Padding is zeros: what a kernel reads beyond a row's end must not count.
        uploader.Clear(memory);
        Stages = [.. Spec.Stages.Select((stage, index) => new DeviceStage(
            stage, Slice(places.MatricesOf(index)), Slice(places.BiasesOf(index)), Slice(places.ScalesOf(index)), Slice(places.OperandBiasesOf(index))))];
        PreNorm = Norm(Spec.PreNorm, FfnTensorRole.PreNormWeight, FfnTensorRole.PreNormBias);
        BranchNorm = Norm(Spec.BranchNorm, FfnTensorRole.BranchNormWeight, FfnTensorRole.BranchNormBias);
        PostNorm = Norm(Spec.PostNorm, FfnTensorRole.PostNormWeight, FfnTensorRole.PostNormBias);
        var encoder = new WeightEncoder(Format);
        foreach (FfnTensor tensor in Spec.Tensors)
        {
            DeviceStage stage = Stages[tensor.Stage];
            DeviceRegion target = Slice(places.Of(tensor));
            if (!tensor.IsVector)
            {
                long up = tensor.Role == FfnTensorRole.UpWeight ? stage.PaddedWidth : 0;
                DeviceRegion channelScales = Format.IsScaled
                    ? stage.ChannelScales.Slice(up * sizeof(float), (long)stage.PaddedWidth * sizeof(float))
                    : default;
                uploader.UploadMatrix(tensor, source, encoder, Format, target, channelScales);
            }
            else
            {
                uploader.UploadVector(tensor, source, target, tensor.Role == FfnTensorRole.Bias ? stage.OperandBias : default, Format);
            }
        }

        Error = encoder.Error;
    }

    /// <summary>The network.</summary>
    public FfnSpec Spec => _places.Spec;

    /// <summary>How matrices are kept.</summary>
    public DeviceFormat Format => _places.Format;

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
    /// <remarks>
    /// Its ReLU makes 0 of NaN, so that is left to a kernel. So is tanh-GELU in float32, for which its accuracy is not documented, and a row
    /// that ends with padding: there a row of zeros would make NaN of an infinite operand.
    /// </remarks>
    public static bool HasEpilogue(FfnStage stage, DeviceFormat format) =>
        !stage.Kind.Gated && !format.IsScaled && stage.Width == DeviceFormat.Padded(stage.Width)
        && (stage.Kind.Activation == Activation.Identity
            || (stage.Kind.Activation == Activation.GeluTanh && format.OperandBytes < sizeof(float)));

    private DeviceNorm Norm(NormSpec? spec, FfnTensorRole weight, FfnTensorRole bias) => spec is null
        ? default
        : new DeviceNorm(spec, Vector(weight), spec.HasBias ? Vector(bias) : default);

    private DeviceRegion Vector(FfnTensorRole role) => Slice(_places.Of(Spec.Tensors.Single(tensor => tensor.Role == role)));

    private DeviceRegion Slice((long Offset, long Bytes) place) => DeviceLayout.Part(_memory, place);
}
