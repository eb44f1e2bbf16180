using NativeFfn.Backends.CuBlas;

namespace NativeFfn.Backends;

/// <summary>What a backend is opened with.</summary>
/// <param name="Threads">Threads that one forward may use, the caller's included; positive.</param>
/// <param name="MklPath">The file or folder of <c>libmkl_rt</c> to use and no other, or null to look in the usual places.</param>
internal sealed record BackendOptions(int Threads, string? MklPath)
{
    /// <summary>
    /// Multiply-adds that are worth handing to another thread: about 1 MB of weights read for one token, some 50 µs, ten times what
    /// waking a thread costs.
    /// </summary>
    public const long DefaultMinimumSliceWork = 256 * 1024;

    /// <summary>Which product multiplies.</summary>
    public CpuKernel Kernel { get; init; }

    /// <summary>How matrices are kept.</summary>
    public FfnPrecision Precision { get; init; }

    /// <summary>Experts of a mixture that are in memory at a time; 0 for all.</summary>
    public int MaxResidentExperts { get; init; }

    /// <summary>The folder of cuBLASLt and NVRTC to use and no other, or null to look in the usual places.</summary>
    public string? CudaPath { get; init; }

    /// <summary>The GPU, by the number that CUDA gives it.</summary>
    public int Device { get; init; }

    /// <summary>A CUDA context of the application's to work in; 0 for the device's primary one.</summary>
    public nint CudaContext { get; init; }

    /// <summary>Whether the first algorithms that cuBLASLt proposes are timed against each other when a layer is warmed up.</summary>
    public bool Autotune { get; init; }

    /// <summary>The most tokens for which the decode kernels are used; null measures it. Tests set it.</summary>
    public int? DecodeTokens { get; init; }

    /// <summary>CUDA's libraries; null looks for the real ones. Tests give a device of their own.</summary>
    public CudaSource? Cuda { get; init; }

    /// <summary>Multiply-adds of a slice at least; tests lower it, so that layers of any size are cut.</summary>
    public long MinimumSliceWork { get; init; } = DefaultMinimumSliceWork;
}
