namespace NativeFfn;

/// <summary>One projection of a feed-forward layer with what follows it element by element.</summary>
/// <remarks>
/// Weights are row-major <c>[Width, InputWidth]</c>, as <c>nn.Linear</c> stores them, and mean <c>x · Wᵀ</c>; biases have Width elements.
/// </remarks>
/// <param name="Kind">Plain or gated, and the activation.</param>
/// <param name="InputWidth">Elements of a token's row going in.</param>
/// <param name="Width">Elements of a token's row coming out.</param>
/// <param name="HasBias">Whether each of the stage's projections adds a bias.</param>
public readonly record struct FfnStage(FfnKind Kind, int InputWidth, int Width, bool HasBias)
{
    /// <summary>Projections (matrices) of the stage: 2 where it is gated, else 1.</summary>
    public int ProjectionCount => Kind.Gated ? 2 : 1;
}
