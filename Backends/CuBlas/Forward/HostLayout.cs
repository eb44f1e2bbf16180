using NativeFfn.Backends.CuBlas.Weights;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Parts of a slot's memory for rows from and for the host: first of all, so that layers of one width find each other's.</summary>
/// <param name="Input">Rows going in, one behind the other.</param>
/// <param name="Residual">Rows to add.</param>
/// <param name="Output">Rows coming out.</param>
internal readonly record struct HostLayout(MemoryPart Input, MemoryPart Residual, MemoryPart Output)
{
    /// <summary>Adds them to a layout that is empty.</summary>
    /// <param name="layout">The layout.</param>
    /// <param name="spec">The layer.</param>
    /// <param name="tokens">Rows; 0 where there are none of the host's.</param>
    public static HostLayout Add(ref DeviceLayout layout, FfnSpec spec, int tokens) => new(
        layout.Add((long)tokens * spec.InputWidth, sizeof(float)),
        layout.Add((long)tokens * spec.OutputWidth, sizeof(float)),
        layout.Add((long)tokens * spec.OutputWidth, sizeof(float)));
}
