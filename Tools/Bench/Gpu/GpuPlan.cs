using System.Collections.Immutable;
using NativeFfn.Cli.Options;

namespace NativeFfn.Bench.Gpu;

/// <summary>Layer, token counts, precisions and files of one measurement on a GPU.</summary>
internal sealed record GpuPlan
{
    /// <summary>The layer's widths.</summary>
    public required LayerShape Shape { get; init; }

    /// <summary>Token counts.</summary>
    public required ImmutableArray<int> Tokens { get; init; }

    /// <summary>Precisions, all of them of GPUs.</summary>
    public required ImmutableArray<FfnPrecision> Precisions { get; init; }

    /// <summary>Time for each number, in seconds; two batches are run in any case.</summary>
    public required double Seconds { get; init; }

    /// <summary>The GPU, by the number that CUDA gives it.</summary>
    public int Device { get; init; }

    /// <summary>The folder of CUDA's libraries, or null for the usual places.</summary>
    public string? CudaPath { get; init; }

    /// <summary>Whether the algorithms of cuBLASLt are timed for the layer before it is measured.</summary>
    public bool Autotune { get; init; }

    /// <summary>Bytes of the copy that the memory is measured by: far more than any cache holds.</summary>
    public long CopyBytes { get; init; } = 1L << 30;

    /// <summary>A file for the results, or null.</summary>
    public string? Json { get; init; }
}
