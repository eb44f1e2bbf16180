using NativeFfn.Backends.CuBlas.Kernels;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>A norm, and what it has beside its formula.</summary>
public enum KernelNormCase
{
    None,
    Rms,
    RmsPlusOne,
    Layer,
    LayerWithBias,
    RmsWithBias,
    LayerPlusOneWithBias,
    LayerWithoutWeight,
}

internal static class KernelNormCases
{
    public static KernelNorm Kind(this KernelNormCase norm) => norm switch
    {
        KernelNormCase.None => KernelNorm.None,
        KernelNormCase.Rms or KernelNormCase.RmsPlusOne or KernelNormCase.RmsWithBias => KernelNorm.Rms,
        _ => KernelNorm.Layer,
    };

    public static bool HasBias(this KernelNormCase norm) =>
        norm is KernelNormCase.LayerWithBias or KernelNormCase.RmsWithBias or KernelNormCase.LayerPlusOneWithBias;

    public static bool HasWeight(this KernelNormCase norm) => norm != KernelNormCase.LayerWithoutWeight;

    public static float WeightOffset(this KernelNormCase norm) =>
        norm is KernelNormCase.RmsPlusOne or KernelNormCase.LayerPlusOneWithBias ? 1 : 0;
}
