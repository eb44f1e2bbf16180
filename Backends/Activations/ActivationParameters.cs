namespace NativeFfn;

/// <summary>Numbers in the formulas of activations that have some; the others ignore them.</summary>
/// <param name="Limit">What values are clamped to; positive.</param>
/// <param name="Alpha">What the sigmoid's argument is multiplied with.</param>
/// <param name="UpOffset">What is added to the up projection before it multiplies.</param>
public sealed record ActivationParameters(float Limit = float.PositiveInfinity, float Alpha = 1, float UpOffset = 0);
