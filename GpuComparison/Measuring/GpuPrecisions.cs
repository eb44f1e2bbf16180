using System.Collections.Immutable;
using NativeFfn.Bindings.CuBlasLt;

namespace NativeFfn.GpuComparison.Measuring;

/// <summary>The precisions of GPUs, as plain products have them.</summary>
internal static class GpuPrecisions
{
    /// <summary>Every one.</summary>
    public static ImmutableArray<FfnPrecision> All { get; } =
        [FfnPrecision.BFloat16, FfnPrecision.Float16, FfnPrecision.Float8, FfnPrecision.Tf32, FfnPrecision.Float32];

    /// <summary>Their spellings.</summary>
    public static ImmutableArray<string> Names { get; } = [.. All.Select(Names<FfnPrecision>.Of)];

    /// <summary>Both sides of a product, and what it gives: the narrowest type that the precision can go on with.</summary>
    public static (CudaDataType Operand, CudaDataType Output, CublasComputeType Compute) TypesOf(FfnPrecision precision) => precision switch
    {
        FfnPrecision.BFloat16 => (CudaDataType.BFloat16, CudaDataType.BFloat16, CublasComputeType.Float32),
        FfnPrecision.Float16 => (CudaDataType.Float16, CudaDataType.Float16, CublasComputeType.Float32),
        FfnPrecision.Float8 => (CudaDataType.Float8E4M3, CudaDataType.BFloat16, CublasComputeType.Float32),
        FfnPrecision.Tf32 => (CudaDataType.Float32, CudaDataType.Float32, CublasComputeType.Tf32),
        FfnPrecision.Float32 => (CudaDataType.Float32, CudaDataType.Float32, CublasComputeType.Float32),
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "No precision of a GPU."),
    };
}
