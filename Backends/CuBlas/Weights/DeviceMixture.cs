using NativeFfn.Backends.Routing;

namespace NativeFfn.Backends.CuBlas.Weights;

/// <summary>What a mixture of experts has besides its experts.</summary>
/// <param name="Spec">How tokens are routed.</param>
/// <param name="Router">The router in float32, whatever the engine's precision, with the shared network's gate for its last row.</param>
/// <param name="Shared">The network that all tokens go through; null where there is none.</param>
/// <param name="RouterBias">Numbers added to logits, which is done on the host; empty where there are none.</param>
/// <param name="SelectionBias">Numbers added to scores for choosing, which is done on the host; empty where there are none.</param>
internal sealed record DeviceMixture(MixtureSpec Spec, DeviceNetwork Router, DeviceNetwork? Shared, float[] RouterBias, float[] SelectionBias)
{
    /// <summary>How many tokens each expert was sent.</summary>
    public ExpertTokens Tokens { get; } = new(Spec.Experts);

    /// <summary>Elements from one token's logits to the next one's.</summary>
    public int LogitStride => Router.Stages[0].PaddedWidth;
}
