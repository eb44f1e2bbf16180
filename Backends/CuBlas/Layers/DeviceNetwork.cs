using NativeFfn.Backends.CuBlas.Kernels;
using NativeFfn.Backends.CuBlas.Products;
using NativeFfn.Backends.CuBlas.Weights;

namespace NativeFfn.Backends.CuBlas.Layers;

/// <summary>One network on the device: its weights, and what runs it. Owns none of them.</summary>
/// <param name="weights">The weights.</param>
/// <param name="plans">The products; networks of one shape without biases may have theirs in common.</param>
/// <param name="kernels">The kernels of the weights' format.</param>
internal sealed class DeviceNetwork(DeviceWeights weights, ProductPlans plans, DeviceKernels kernels)
{
    /// <summary>The weights.</summary>
    public DeviceWeights Weights => weights;

    /// <summary>The products.</summary>
    public ProductPlans Plans => plans;

    /// <summary>The kernels.</summary>
    public DeviceKernels Kernels => kernels;

    /// <summary>The most tokens for which the decode kernels run the network; 0 for never.</summary>
    public int DecodeTokens { get; set; }

    /// <summary>Whether the decode kernels can run the network: they end with a plain projection.</summary>
    public bool CanDecode => weights.Spec.Stages[^1].Kind == FfnKind.Linear;
}
