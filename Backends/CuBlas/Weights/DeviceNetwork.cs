using System.Collections.Immutable;
using NativeFfn.Backends.CuBlas.Gemm;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>One network on the device: its stages in memory of its owner's, and the GEMMs planned for them.</summary>
/// <param name="spec">The network.</param>
/// <param name="format">How matrices are kept.</param>
/// <param name="stages">The tensors of each stage.</param>
/// <param name="plans">The GEMMs; networks of one shape without biases may have theirs in common.</param>
internal sealed class DeviceNetwork(FfnSpec spec, DeviceFormat format, ImmutableArray<DeviceStage> stages, GemmPlans plans)
{
    /// <summary>The network.</summary>
    public FfnSpec Spec => spec;

    /// <summary>How matrices are kept.</summary>
    public DeviceFormat Format => format;

    /// <summary>The tensors of each stage.</summary>
    public ImmutableArray<DeviceStage> Stages => stages;

    /// <summary>The GEMMs.</summary>
    public GemmPlans Plans => plans;

    /// <summary>The most tokens for which the decode kernels run the network; 0 for never.</summary>
    public int DecodeTokens { get; set; }

    /// <summary>Whether the decode kernels can run the network: they end with a plain projection.</summary>
    public bool CanDecode => spec.Stages[^1].Kind == FfnKind.Linear;
}
