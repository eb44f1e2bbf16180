namespace NativeFfn.Backends;

/// <summary>Has all ranks that share a mixture send tokens to the same experts, where the last bits of their logits may differ.</summary>
internal interface IRouteAgreement
{
    /// <summary>Replaces this rank's choice by that of the rank that decides.</summary>
    /// <param name="experts">The chosen experts of all tokens.</param>
    /// <param name="weights">Their weights.</param>
    /// <param name="unroutable">The first token that cannot be routed, or <see cref="int.MaxValue"/>.</param>
    /// <returns>What <paramref name="unroutable"/> is on the rank that decides.</returns>
    int Agree(Span<int> experts, Span<float> weights, int unroutable);
}
