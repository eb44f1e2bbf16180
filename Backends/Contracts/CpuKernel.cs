using System.Collections.Immutable;

namespace NativeFfn;

/// <summary>Which product a CPU backend multiplies with.</summary>
public enum CpuKernel
{
    /// <summary>Whichever was faster for the shape and the token count when it was measured on this machine.</summary>
    Auto,

    /// <summary>MKL's sgemm for any number of tokens; the managed backend refuses it.</summary>
    Mkl,

    /// <summary>The panel kernels in C# for any number of tokens.</summary>
    Panels,
}

/// <summary>The spelling of kernels in configuration and on the command line.</summary>
public static class CpuKernelNames
{
    /// <summary>All spellings.</summary>
    public static ImmutableArray<string> All { get; } = ["auto", "mkl", "panels"];

    /// <summary>A kernel's spelling.</summary>
    /// <param name="kernel">The kernel.</param>
    public static string Of(CpuKernel kernel) => All[(int)kernel];

    /// <summary>The kernel of a spelling, ignoring case.</summary>
    /// <param name="name">A spelling.</param>
    /// <param name="kernel">The kernel found.</param>
    /// <returns>False where no kernel is spelled so.</returns>
    public static bool TryParse(string? name, out CpuKernel kernel)
    {
        int index = All.IndexOf(name ?? string.Empty, 0, All.Length, StringComparer.OrdinalIgnoreCase);
        kernel = index < 0 ? default : (CpuKernel)index;
        return index >= 0;
    }
}
