namespace NativeFfn;

/// <summary>How a norm of a block is computed over one token's row x of n elements with learned weight w and bias b.</summary>
public enum NormKind
{
    /// <summary>x / √(mean(x²) + ε) ⊙ w (Zhang and Sennrich 2019).</summary>
    Rms,

    /// <summary>x / √(mean(x²) + ε) ⊙ (1 + w), as Gemma stores it.</summary>
    RmsOnePlusWeight,

    /// <summary>(x − mean(x)) / √(var(x) + ε) ⊙ w + b, with the biased variance (Ba, Kiros and Hinton 2016).</summary>
    Layer,
}

/// <summary>A norm of a transformer block.</summary>
/// <param name="Kind">Its formula.</param>
/// <param name="Epsilon">ε, added under the root; finite and not negative.</param>
public sealed record NormSpec(NormKind Kind, float Epsilon)
{
    /// <summary>Whether the norm has a bias beside its weight.</summary>
    public bool HasBias => Kind == NormKind.Layer;
}
