using System.Collections.Immutable;

namespace NativeFfn.GpuComparison.Reporting;

/// <summary>What one program measured on one device. <c>Benchmarks/peers/torch_ffn.py</c> writes the same form.</summary>
internal sealed record GpuReport
{
    /// <summary>The program.</summary>
    public required string Program { get; init; }

    /// <summary>Versions of what computes.</summary>
    public required string Version { get; init; }

    /// <summary>The device's name.</summary>
    public required string Device { get; init; }

    /// <summary>The layer's width.</summary>
    public required int DModel { get; init; }

    /// <summary>The layer's hidden width.</summary>
    public required int DFf { get; init; }

    /// <summary>Bytes a second of a large copy within the device's memory, read and written together; null where it was not measured.</summary>
    public double? CopyBytesPerSecond { get; init; }

    /// <summary>Whether algorithms were timed for the layer before.</summary>
    public bool Autotune { get; init; }

    /// <summary>Subjects, precisions and token counts, in the order measured.</summary>
    public required ImmutableArray<GpuRow> Rows { get; init; }

    /// <summary>What could not be measured, and why; null where nothing is missing.</summary>
    public ImmutableArray<string>? Failures { get; init; }
}

/// <summary>One subject in one precision at one token count. Times are medians, in milliseconds.</summary>
internal sealed record GpuRow
{
    /// <summary>What was measured.</summary>
    public required string Subject { get; init; }

    /// <summary>The precision, as <see cref="Names{T}"/> spells it.</summary>
    public required string Precision { get; init; }

    /// <summary>Rows of one forward.</summary>
    public required int Tokens { get; init; }

    /// <summary>The device's time of a forward on rows in its memory, queued behind others.</summary>
    public required double DeviceMs { get; init; }

    /// <summary>The shortest of them.</summary>
    public double DeviceMinMs { get; init; }

    /// <summary>How many they are of.</summary>
    public int Runs { get; init; }

    /// <summary>The same as one launch of a CUDA graph.</summary>
    public double? CapturedMs { get; init; }

    /// <summary>A caller's time from rows in the host's memory to results there, copies included.</summary>
    public double? HostMs { get; init; }

    /// <summary>The fastest plain products of the same shapes; null where there are none.</summary>
    public double? PlainProductsMs { get; init; }

    /// <summary>The weights' bytes at the rate of a copy, which reads and writes; nothing but reading may be faster.</summary>
    public double? CopyRateMs { get; init; }

    /// <summary>The multiply-adds at the best rate that plain products of this precision reached at any token count.</summary>
    public double? ComputeFloorMs { get; init; }

    /// <summary>Bytes of one copy's weights.</summary>
    public long WeightBytes { get; init; }

    /// <summary>Copies of the weights that took turns.</summary>
    public int WeightCopies { get; init; }

    /// <summary>Whether that is enough for each to leave the cache before its next turn.</summary>
    public bool IsPastCache { get; init; }

    /// <summary>Relative L2 error against float64 of what the layer adds to its residual; null where it was not looked at.</summary>
    public double? RelativeL2 { get; init; }

    /// <summary>The part of a copy's rate at which the weights were read; it may be more than 1.</summary>
    public double? CopyShare => CopyRateMs / DeviceMs;

    /// <summary>The part of the plain products' rate that the whole layer reached.</summary>
    public double? PlainShare => PlainProductsMs / DeviceMs;
}
