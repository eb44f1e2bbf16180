namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>A chunk's routing as the device reads it: words of 32 bits in one piece, so that they go over in one copy.</summary>
/// <param name="Mixture">How tokens are routed.</param>
/// <param name="Tokens">Tokens of the chunk.</param>
internal readonly record struct RoutingTables(MixtureSpec Mixture, int Tokens)
{
    /// <summary>Rows that go to experts: every token's TopK.</summary>
    public int Routes => checked(Tokens * Mixture.TopK);

    /// <summary>The token of each row that goes to an expert, sorted by expert: where they begin.</summary>
    public static long TokensAt => 0;

    /// <summary>The rows of each token's results among those, best expert first, <c>[tokens, TopK]</c>: where they begin.</summary>
    public long RowsAt => Routes;

    /// <summary>What those results are multiplied with, float32: where they begin.</summary>
    public long WeightsAt => 2L * Routes;

    /// <summary>What the shared network's result of each token is multiplied with, float32: where they begin.</summary>
    public long GatesAt => 3L * Routes;

    /// <summary>Words in all.</summary>
    public static long WordsOf(MixtureSpec mixture, int tokens) => checked((3L * tokens * mixture.TopK) + (mixture.WeighsShared ? tokens : 0));
}
