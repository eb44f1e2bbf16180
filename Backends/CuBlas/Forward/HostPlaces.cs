using NativeFfn.Backends.CuBlas.Weights;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Where rows from and for the host lie in a lane's memory: first of all, so that layers of one width find each other's.</summary>
internal readonly struct HostPlaces
{
    /// <summary>Rows going in, one behind the other.</summary>
    public (long Offset, long Bytes) Input { get; private init; }

    /// <summary>Rows to add.</summary>
    public (long Offset, long Bytes) Residual { get; private init; }

    /// <summary>Rows coming out.</summary>
    public (long Offset, long Bytes) Output { get; private init; }

    /// <summary>Adds them to a layout that is empty.</summary>
    /// <param name="layout">The layout.</param>
    /// <param name="spec">The layer.</param>
    /// <param name="tokens">Rows; 0 where there are none of the host's.</param>
    public static HostPlaces Add(ref DeviceLayout layout, FfnSpec spec, int tokens) => new()
    {
        Input = layout.Add((long)tokens * spec.InputWidth, sizeof(float)),
        Residual = layout.Add((long)tokens * spec.OutputWidth, sizeof(float)),
        Output = layout.Add((long)tokens * spec.OutputWidth, sizeof(float)),
    };
}
