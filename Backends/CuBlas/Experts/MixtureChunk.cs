using NativeFfn.Backends.CuBlas.Device;
using NativeFfn.Backends.CuBlas.Forward;
using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Lanes;
using NativeFfn.Backends.CuBlas.Layers;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Experts;

/// <summary>Tokens of a mixture that are run at a time: whose they are, where they lie and what is computed.</summary>
internal readonly ref struct MixtureChunk
{
    public required DeviceLane Lane { get; init; }

    public required MixtureWeights Weights { get; init; }

    public required MixtureScratch Scratch { get; init; }

    /// <summary>The first one's place in the forward.</summary>
    public required int FirstToken { get; init; }

    /// <summary>Rows; positive.</summary>
    public required int Tokens { get; init; }

    public required DeviceRows Input { get; init; }

    /// <summary>What is added; none in <see cref="FfnMode.Ffn"/>, the input in a block.</summary>
    public required DeviceRows Residual { get; init; }

    /// <summary>May be the input or the residual.</summary>
    public required DeviceRows Output { get; init; }

    /// <summary>Whether the norm is computed.</summary>
    public required bool IsBlock { get; init; }

    /// <summary>Takes the times of the steps, where that is asked for.</summary>
    public StepClock? Clock { get; init; }

    public CudaStream Stream => Lane.Stream;

    public DeviceKernels Kernels => Weights.Router.Kernels;

    public FfnSpec Spec => Weights.Spec;

    /// <summary>The norm, as a kernel takes it.</summary>
    public NormArguments Norm => IsBlock ? Weights.PreNorm.Arguments : default;

    /// <summary>How the routing goes to the device.</summary>
    public RoutingTables Tables => new(Spec.Mixture!, Tokens);

    /// <summary>Whether router and experts read the input itself: rows of float32 that are padded and aligned by nature.</summary>
    public bool ReadsInput => Norm.Kind == (int)KernelNorm.None
        && Spec.InputWidth == DeviceFormat.Padded(Spec.InputWidth) && Input.Alignment >= ProductSteps.LeastAlignment;

    /// <summary>What router and experts read, <c>[Tokens, padded width]</c>.</summary>
    public DeviceRows Rows => ReadsInput ? Input : RowsIn(Scratch.Rows);

    /// <summary>The chunk's rows in a part of the scratch memory.</summary>
    public DeviceRows RowsIn(DeviceRegion part) => new(part.Address, MixtureScratch.StrideOf(Spec));

    /// <summary>One of the mixture's networks on some of the rows.</summary>
    public DeviceChunk Network(DeviceNetwork network, DeviceRows input, DeviceRows output, int tokens) => new()
    {
        Lane = Lane,
        Network = network,
        Scratch = DeviceScratch.Within(Scratch.Network, network.Weights, tokens),
        Tokens = tokens,
        Input = input,
        Residual = default,
        Output = output,
        IsBlock = false,
        Clock = Clock,
    };
}
