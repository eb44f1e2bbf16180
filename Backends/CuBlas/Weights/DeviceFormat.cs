using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.Encodings;
using NativeFfn.Bindings.CuBlasLt;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>What a precision is on a device: the types of weights and rows, and the kernels' program. Immutable.</summary>
/// <remarks>
/// A projection multiplies weights with operands, both of one type, and sums in float32. What a hidden stage's projection gives is a
/// product; of it the activation makes the next stage's operands. The last projection gives float32. The decode kernels read vectors in
/// the place of operands.
/// </remarks>
internal sealed class DeviceFormat
{
    // From arXiv 2209.05433 and the CUDA programming guide: the first devices with E4M3 in their matrix units are of 8.9.
    private const int Float8Capability = 89;

    private DeviceFormat(
        FfnPrecision precision, string macro, CudaDataType operand, int operandBytes, CudaDataType product, int productBytes, CublasComputeType compute)
    {
        Precision = precision;
        Macro = macro;
        Operand = operand;
        OperandBytes = operandBytes;
        Product = product;
        ProductBytes = productBytes;
        Compute = compute;
    }

    /// <summary>The precision.</summary>
    public FfnPrecision Precision { get; }

    /// <summary>Chooses the precision when the kernels are compiled.</summary>
    public string Macro { get; }

    /// <summary>How rows of weights are stored, before they are padded.</summary>
    public WeightEncoding Encoding => WeightEncodings.Of(Precision == FfnPrecision.Tf32 ? FfnPrecision.Float32 : Precision)!;

    /// <summary>The type of weights and operands.</summary>
    public CudaDataType Operand { get; }

    /// <summary>Bytes of a weight or operand.</summary>
    public int OperandBytes { get; }

    /// <summary>The type of products, and of the decode kernels' vectors.</summary>
    public CudaDataType Product { get; }

    /// <summary>Bytes of a product, or of a vector's element.</summary>
    public int ProductBytes { get; }

    /// <summary>How cuBLASLt multiplies.</summary>
    public CublasComputeType Compute { get; }

    /// <summary>Whether weights have a scale a row and operands one a token.</summary>
    public bool IsScaled => Precision == FfnPrecision.Float8;

    /// <summary>The precisions there are.</summary>
    public static FfnPrecision[] Precisions { get; } =
    [
        FfnPrecision.Auto, FfnPrecision.Stored, FfnPrecision.Float32, FfnPrecision.Tf32, FfnPrecision.BFloat16, FfnPrecision.Float16,
        FfnPrecision.Float8,
    ];

    /// <summary>The form of a precision.</summary>
    /// <param name="precision">One of <see cref="Precisions"/>.</param>
    public static DeviceFormat Of(FfnPrecision precision) => precision.OfNumbers() switch
    {
        FfnPrecision.Float32 => new(FfnPrecision.Float32, "NATIVEFFN_F32", CudaDataType.Float32, 4, CudaDataType.Float32, 4, CublasComputeType.Float32),
        FfnPrecision.Tf32 => new(precision, "NATIVEFFN_F32", CudaDataType.Float32, 4, CudaDataType.Float32, 4, CublasComputeType.Tf32),
        FfnPrecision.BFloat16 => new(precision, "NATIVEFFN_BF16", CudaDataType.BFloat16, 2, CudaDataType.BFloat16, 2, CublasComputeType.Float32),
        FfnPrecision.Float16 => new(precision, "NATIVEFFN_F16", CudaDataType.Float16, 2, CudaDataType.Float16, 2, CublasComputeType.Float32),
        FfnPrecision.Float8 => new(precision, "NATIVEFFN_E4M3", CudaDataType.Float8E4M3, 1, CudaDataType.BFloat16, 2, CublasComputeType.Float32),
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "No precision of a GPU."),
    };

    /// <summary>Why a device cannot hold the precision, or null.</summary>
    /// <param name="device">The device.</param>
    public string? WhyUnsupported(CudaDevice device) => IsScaled && device.Architecture < Float8Capability
        ? $"precision {Names<FfnPrecision>.Of(Precision)} needs compute capability 8.9 or newer, and {device.Name} has {device.Major}.{device.Minor}. Use bf16 or f16."
        : null;

    /// <summary>Whether cuBLASLt has a stage's activation among its epilogues, so that its projection gives the next stage's operands at once.</summary>
    /// <param name="stage">The stage.</param>
    /// <remarks>
    /// Its ReLU makes 0 of NaN, so that is left to a kernel. So is tanh-GELU in float32, for which its accuracy is not documented, and a row
    /// that ends with padding: there a row of zeros would make NaN of an infinite operand. Scaled operands have to be scaled first.
    /// </remarks>
    public bool HasEpilogue(FfnStage stage) =>
        !stage.Kind.Gated && !IsScaled && stage.Width == Padded(stage.Width) && stage.Kind.KnownParameters.InputFactor == 1
        && (stage.Kind.Activation == Activation.Identity
            || (stage.Kind.Activation == Activation.GeluTanh && OperandBytes < sizeof(float)));

    /// <summary>Elements of a row on the device, where rows end with zeros so that kernels read whole 16-byte vectors of every type.</summary>
    /// <param name="width">Elements.</param>
    public static int Padded(int width) => checked(width + KernelSources.Padding - 1) / KernelSources.Padding * KernelSources.Padding;
}
