namespace NativeFfn.Server.Explorer;

/// <summary>The body of <c>POST /api/compute/ffn</c>: a layer, and rows that are given or drawn at random.</summary>
/// <param name="Layer">A name such as <c>model/3</c>.</param>
/// <param name="Mode"><c>ffn</c>, <c>residual</c> or <c>block</c>; <c>ffn</c> if left out.</param>
/// <param name="Position">The row that is shown, from 0.</param>
/// <param name="Rows">Rows of the layer's width.</param>
/// <param name="Random">Instead of rows.</param>
internal sealed record ComputeRequest(string? Layer, string? Mode, int Position, float[]?[]? Rows, RandomInput? Random);

/// <summary>Rows uniform in [−1, 1): the same seed gives the same numbers.</summary>
/// <param name="Tokens">Rows.</param>
/// <param name="Seed">Any number.</param>
internal sealed record RandomInput(int Tokens, int Seed);
