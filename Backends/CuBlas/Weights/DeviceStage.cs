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

    /// <summary>What the stage makes of its projections, as a kernel takes it.</summary>
    public KindArguments Kind { get; } = KindArguments.Of(Shape.Kind);
}

/// <summary>A layer's norms as kernels take them; those that it lacks compute nothing.</summary>
internal readonly struct DeviceNorms
{
    /// <summary>The norm before the first stage.</summary>
    public NormArguments Pre { get; init; }

    /// <summary>The norm on the last stage's result.</summary>
    public NormArguments Branch { get; init; }

    /// <summary>The norm after the residual was added.</summary>
    public NormArguments Post { get; init; }

    /// <summary>Whether something follows the residual's addition, or comes between it and the last projection.</summary>
    public bool FollowResult => Branch.Kind != (int)KernelNorm.None || Post.Kind != (int)KernelNorm.None;
}
