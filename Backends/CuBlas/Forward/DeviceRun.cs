using NativeFfn.Backends.CuBlas.Lanes;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>One forward on rows in the device's memory, of any number of tokens.</summary>
internal readonly ref struct DeviceRun
{
    public required DeviceLane Lane { get; init; }

    /// <summary>Rows; positive.</summary>
    public required int Tokens { get; init; }

    public required DeviceRows Input { get; init; }

    /// <summary>What is added; none in <see cref="FfnMode.Ffn"/>, the input in a block.</summary>
    public required DeviceRows Residual { get; init; }

    /// <summary>May be the input or the residual.</summary>
    public required DeviceRows Output { get; init; }

    /// <summary>Whether norms are computed.</summary>
    public required bool IsBlock { get; init; }

    /// <summary>Whether the lane's memory begins with rows from and for the host; then all tokens fit it at once.</summary>
    public bool FromHost { get; init; }

    /// <summary>Takes the times of the steps, where that is asked for.</summary>
    public StepClock? Clock { get; init; }
}
