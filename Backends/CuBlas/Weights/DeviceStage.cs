using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>One stage's tensors on the device; a gated stage's projections lie one behind the other as <c>[gate; up]</c>.</summary>
/// <param name="Shape">The stage.</param>
/// <param name="Weights">Rows of the format, <c>[Rows, Columns]</c>.</param>
/// <param name="Bias">float32, <c>[Rows]</c>; none where the stage has no bias.</param>
/// <param name="ChannelScales">float32, <c>[Rows]</c>; none where the format has no scales.</param>
/// <param name="OperandBias">The bias in the operands' type, for cuBLASLt's epilogues; none where none is used.</param>
internal sealed record DeviceStage(FfnStage Shape, DeviceRegion Weights, DeviceRegion Bias, DeviceRegion ChannelScales, DeviceRegion OperandBias)
{
    /// <summary>Elements of a padded row of one projection's results.</summary>
    public int PaddedWidth { get; } = DeviceFormat.Padded(Shape.Width);

    /// <summary>Rows of all projections, padded: elements of a product's row.</summary>
    public int Rows => checked(PaddedWidth * Shape.ProjectionCount);

    /// <summary>Elements of a padded weight row.</summary>
    public int Columns { get; } = DeviceFormat.Padded(Shape.InputWidth);
}

/// <summary>A norm's vectors on the device; none where the layer has no such norm.</summary>
/// <param name="Spec">The norm.</param>
/// <param name="Weight">float32, d_model elements.</param>
/// <param name="Bias">float32, d_model elements; none where the norm has no bias.</param>
internal readonly record struct DeviceNorm(NormSpec? Spec, DeviceRegion Weight, DeviceRegion Bias)
{
    /// <summary>The norm as a kernel takes it.</summary>
    public NormArguments Arguments => Spec is null ? default : new NormArguments
    {
        Weight = Weight.Address,
        Bias = Bias.Address,
        Epsilon = Spec.Epsilon,
        Kind = (int)(Spec.Kind switch
        {
            NormKind.Rms => KernelNorm.Rms,
            NormKind.RmsOnePlusWeight => KernelNorm.RmsPlusOne,
            _ => KernelNorm.Layer,
        }),
    };
}
