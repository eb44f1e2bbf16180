namespace NativeFfn;

/// <summary>Numbers in a stage's formula beside its weights. Those of one activation alone are ignored by the others.</summary>
/// <param name="Limit">What values are clamped to; positive. Of <see cref="Activation.ClampedSilu"/>.</param>
/// <param name="Alpha">What the sigmoid's argument is multiplied with. Of <see cref="Activation.ClampedSilu"/>.</param>
/// <param name="UpOffset">What is added to the up projection before it multiplies. Of <see cref="Activation.ClampedSilu"/>.</param>
public sealed record ActivationParameters(float Limit = float.PositiveInfinity, float Alpha = 1, float UpOffset = 0)
{
    /// <summary>What the activated projection, with its bias, is multiplied with before any activation, as Falcon-H1 does; finite.</summary>
    public float InputFactor { get; init; } = 1;

    /// <summary>
    /// How many standard deviations above its row's mean an element of the activated projection g must lie to pass, 0 for no such sieve:
    /// <c>g' = relu(g − (mean(g) + m · std(g)))</c> with the biased deviation over the whole hidden row, before <see cref="InputFactor"/>
    /// and the activation, as Gemma 3n does; finite. A transformer's two-stage network may have it, in its first stage.
    /// </summary>
    public float SparsityMultiplier { get; init; }

    /// <summary>a⁺ of <see cref="Activation.Xielu"/>: softplus(alpha_p) of what Apertus' files hold; finite.</summary>
    public float PositiveAlpha { get; init; } = 0.8f;

    /// <summary>a⁻ of <see cref="Activation.Xielu"/>: β + softplus(alpha_n) of what Apertus' files hold; finite.</summary>
    public float NegativeAlpha { get; init; } = 0.8f;

    /// <summary>β of <see cref="Activation.Xielu"/>; finite.</summary>
    public float Beta { get; init; } = 0.5f;

    /// <summary>ε of <see cref="Activation.Xielu"/>: what bounds the exponential's argument from above; finite.</summary>
    public float Epsilon { get; init; } = -1e-6f;

    // What is wrong, or null.
    internal string? Problem() => WhatIsNotFinite() is { } name ? $"An activation's {name} must be finite." : null;

    private string? WhatIsNotFinite() =>
        !float.IsFinite(InputFactor) ? nameof(InputFactor)
        : !float.IsFinite(SparsityMultiplier) ? nameof(SparsityMultiplier)
        : !float.IsFinite(PositiveAlpha) ? nameof(PositiveAlpha)
        : !float.IsFinite(NegativeAlpha) ? nameof(NegativeAlpha)
        : !float.IsFinite(Beta) ? nameof(Beta)
        : !float.IsFinite(Epsilon) ? nameof(Epsilon)
        : null;
}
