namespace NativeFfn;

/// <summary>How a norm is computed over one token's row x of n elements with learned weight w and bias b.</summary>
public enum NormKind
{
    /// <summary>x / √(mean(x²) + ε) ⊙ w (Zhang and Sennrich 2019).</summary>
    Rms,

    /// <summary>(x − mean(x)) / √(var(x) + ε) ⊙ w + b, with the biased variance (Ba, Kiros and Hinton 2016).</summary>
    Layer,
}

/// <summary>A norm of a layer: <c>x̂ ⊙ (w + WeightOffset) + b</c>, where x̂ is the row as its kind scales it.</summary>
/// <param name="Kind">Its formula.</param>
/// <param name="Epsilon">ε, added under the root; finite and not negative.</param>
public sealed record NormSpec(NormKind Kind, float Epsilon)
{
    /// <summary>Whether there is a weight w; without one x̂ is multiplied with 1, as OLMo's is.</summary>
    public bool HasWeight { get; init; } = true;

    /// <summary>Whether there is a bias b; by default a layer norm has one, and Cohere's has none.</summary>
    public bool HasBias { get; init; } = Kind == NormKind.Layer;

    /// <summary>What is added to every weight: 1 where weights are stored as their difference from it, as Gemma does; finite, 0 without a weight.</summary>
    public float WeightOffset { get; init; }

    // What is wrong, or null.
    internal string? Problem() =>
        !Enum.IsDefined(Kind) ? $"There is no norm kind {(int)Kind}."
        : !float.IsFinite(Epsilon) || Epsilon < 0 ? $"A norm's epsilon must be finite and not negative; it is {Epsilon}."
        : !float.IsFinite(WeightOffset) ? $"A norm's weight offset must be finite; it is {WeightOffset}."
        : WeightOffset != 0 && !HasWeight ? $"A norm without a weight has none to add the offset {WeightOffset} to. Leave the offset out."
        : null;
}
