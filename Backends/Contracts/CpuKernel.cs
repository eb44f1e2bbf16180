namespace NativeFfn;

/// <summary>Which product a CPU backend multiplies with.</summary>
public enum CpuKernel
{
    /// <summary>Whichever was faster for the shape and the token count when it was measured on this machine.</summary>
    Auto,

    /// <summary>The library's sgemm for any number of tokens; the managed backend has none and refuses it.</summary>
    Sgemm,

    /// <summary>The panel kernels in C# for any number of tokens.</summary>
    Panels,
}
