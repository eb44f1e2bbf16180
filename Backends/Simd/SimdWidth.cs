using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Simd;

/// <summary>The vector widths of this processor.</summary>
internal static class SimdWidth
{
    /// <summary>What kernels run with, for people: the widest vectors that the runtime has hardware for and was not told to leave.</summary>
    public static string Description =>
        Vector512.IsHardwareAccelerated ? "512-bit vectors"
        : Vector256.IsHardwareAccelerated ? "256-bit vectors"
        : Vector128.IsHardwareAccelerated ? "128-bit vectors"
        : "scalar code";
}
