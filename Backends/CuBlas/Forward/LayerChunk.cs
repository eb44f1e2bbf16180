using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Weights;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Tokens of a layer that are run at a time.</summary>
internal readonly ref struct LayerChunk
{
    public required DeviceRun Run { get; init; }

    public required DeviceLayer Layer { get; init; }

    /// <summary>The memory for them.</summary>
    public required ForwardScratch Scratch { get; init; }

    /// <summary>The first one's index in the forward.</summary>
    public required int FirstToken { get; init; }

    /// <summary>The norms that are computed.</summary>
    public DeviceNorms Norms => Run.IsBlock ? Layer.Norms : default;

    /// <summary>Whether router and experts read the input itself: rows of float32 that are padded and aligned by nature.</summary>
    public bool ReadsInput => Norms.Pre.Kind == (int)KernelNorm.None
        && Layer.Spec.InputWidth == DeviceFormat.Padded(Layer.Spec.InputWidth) && Run.Input.Alignment >= GemmSteps.LeastAlignment;

    /// <summary>The rows that router and experts read, <c>[Tokens, padded width]</c>.</summary>
    public DeviceRows Rows => ReadsInput ? Run.Input : RowsIn(Scratch.Rows);

    /// <summary>How the routing goes to the device.</summary>
    public RoutingTables Tables => new(Layer.Spec.Mixture!, Run.Tokens);

    /// <summary>A dense layer's one group.</summary>
    public DeviceGroup Whole => new()
    {
        Run = Run,
        Network = Layer.Networks[0],
        Scratch = NetworkScratch.In(Scratch.Network, Layer.Networks[0], Run.Tokens),
        Norms = Norms,
    };

    /// <summary>The chunk's rows in a part of the scratch memory.</summary>
    public DeviceRows RowsIn(DeviceRegion part) => new(part.Address, ForwardScratch.StrideOf(Layer.Spec));

    /// <summary>One of a mixture's networks on some of the rows.</summary>
    public DeviceGroup Group(DeviceNetwork network, DeviceRows input, DeviceRows output, int tokens) => new()
    {
        Run = Run with { Tokens = tokens, Input = input, Residual = default, Output = output, IsBlock = false },
        Network = network,
        Scratch = NetworkScratch.In(Scratch.Network, network, tokens),
    };
}
