using System.Collections.Immutable;

namespace NativeFfn.Backends.Activations;

/// <summary>The table of activations. Their places in it are their numbers in the CUDA kernels.</summary>
internal static class Activations
{
    /// <summary>Every activation, in the order in which the documentation lists them.</summary>
    public static ImmutableArray<Activation> All { get; } =
    [
        Activation.Identity,
        Activation.Relu,
        Activation.SquaredRelu,
        Activation.Gelu,
        Activation.GeluTanh,
        Activation.QuickGelu,
        Activation.Silu,
        Activation.Sigmoid,
        Activation.ClampedSilu,
        Activation.Tanh,
        Activation.Relu6,
        Activation.LeakyRelu,
        Activation.HardSwish,
        Activation.Mish,
        Activation.Gelu10,
        Activation.Xielu,
    ];
}
