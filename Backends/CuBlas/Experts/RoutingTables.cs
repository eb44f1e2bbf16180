namespace NativeFfn.Backends.CuBlas.Experts;

/// <summary>What the device is told of a chunk's routing: words of 32 bits in one piece, so that they go over in one copy.</summary>
/// <param name="Mixture">How tokens are routed.</param>
/// <param name="Tokens">Tokens of the chunk.</param>
internal readonly record struct RoutingTables(MixtureSpec Mixture, int Tokens)
{
    /// <summary>Rows that go to experts: every token's TopK.</summary>
    public int Routes => checked(Tokens * Mixture.TopK);

    /// <summary>The token of each row that goes to an expert, sorted by expert: where they begin.</summary>
    public static long TokensAt => 0;

    /// <summary>Where each token's results lie among those rows, best expert first, <c>[tokens, TopK]</c>: where they begin.</summary>
    public long PlacesAt => Routes;

    /// <summary>What those results are multiplied with, float32: where they begin.</summary>
    public long WeightsAt => 2L * Routes;

    /// <summary>What the shared network's result of each token is multiplied with, float32: where they begin.</summary>
    public long GatesAt => 3L * Routes;

    /// <summary>Words in all.</summary>
    public static long WordsOf(MixtureSpec mixture, int tokens) => checked((3L * tokens * mixture.TopK) + (mixture.HasSharedGate ? tokens : 0));
}
