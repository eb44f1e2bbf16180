using NativeFfn.Backends.CuBlas.Kernels;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>A norm, and whether it has a bias.</summary>
public enum KernelNormCase
{
    None,
    Rms,
    RmsPlusOne,
    Layer,
    LayerWithBias,
}

internal static class KernelNormCases
{
    public static KernelNorm Kind(this KernelNormCase norm) => norm switch
    {
        KernelNormCase.None => KernelNorm.None,
        KernelNormCase.Rms => KernelNorm.Rms,
        KernelNormCase.RmsPlusOne => KernelNorm.RmsPlusOne,
        _ => KernelNorm.Layer,
    };

    public static bool HasBias(this KernelNormCase norm) => norm == KernelNormCase.LayerWithBias;
}
