using NativeFfn.Backends.CuBlas.Streams;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Rows in the device's memory on their way through a layer or a network.</summary>
internal readonly ref struct DeviceRun
{
    public required StreamSlot Slot { get; init; }

    /// <summary>Rows; positive.</summary>
    public required int Tokens { get; init; }

    public required DeviceRows Input { get; init; }

    /// <summary>Rows that are added; none in <see cref="FfnMode.Ffn"/>, the input in a block.</summary>
    public required DeviceRows Residual { get; init; }

    /// <summary>May be the input or the residual.</summary>
    public required DeviceRows Output { get; init; }

    /// <summary>Whether norms are computed.</summary>
    public required bool IsBlock { get; init; }

    /// <summary>Takes the times of the steps, where that is asked for.</summary>
    public StepClock? Clock { get; init; }

    public CudaStream Stream => Slot.Stream;

    /// <summary>Some of the rows.</summary>
    public DeviceRun Slice(int first, int tokens) =>
        this with { Tokens = tokens, Input = Input.From(first), Residual = Residual.From(first), Output = Output.From(first) };
}
