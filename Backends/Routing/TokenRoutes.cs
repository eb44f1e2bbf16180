namespace NativeFfn.Backends.Routing;

/// <summary>Where the tokens of a forward go: their experts as the router chose them, and a chunk's tokens sorted by expert.</summary>
internal sealed class TokenRoutes
{
    private int _topK;
    private int[] _experts = [];
    private float[] _weights = [];
    private int[] _tokens = [];
    private int[] _rows = [];
    private int[] _starts = [];

    /// <summary>Makes room; allocates only where there was never so much.</summary>
    public void Reserve(MixtureSpec mixture, int tokens, int chunkTokens)
    {
        _topK = mixture.TopK;
        int routes = checked(tokens * _topK);
        if (_experts.Length < routes)
        {
            _experts = new int[routes];
            _weights = new float[routes];
        }

        int chunkRoutes = checked(chunkTokens * _topK);
        if (_tokens.Length < chunkRoutes)
        {
            _tokens = new int[chunkRoutes];
            _rows = new int[chunkRoutes];
        }

        if (_starts.Length < mixture.Experts + 1)
        {
            _starts = new int[mixture.Experts + 1];
        }
    }

    /// <summary>The experts of a forward's tokens, TopK a token.</summary>
    public Span<int> ExpertsOfAll(int tokens) => _experts.AsSpan(0, tokens * _topK);

    /// <summary>Their weights.</summary>
    public Span<float> WeightsOfAll(int tokens) => _weights.AsSpan(0, tokens * _topK);

    /// <summary>The experts of a token, best first.</summary>
    public Span<int> ExpertsOf(int token) => _experts.AsSpan(token * _topK, _topK);

    /// <summary>Their weights.</summary>
    public Span<float> WeightsOf(int token) => _weights.AsSpan(token * _topK, _topK);

    /// <summary>The weight of one of a token's experts.</summary>
    public float WeightOf(int token, int expert) => WeightsOf(token)[ExpertsOf(token).IndexOf(expert)];

    /// <summary>Sorts some tokens by expert; within an expert they keep their order.</summary>
    public void Sort(int experts, int firstToken, int tokens)
    {
        Span<int> starts = _starts.AsSpan(0, experts + 1);
        starts.Clear();
        int first = firstToken * _topK;
        int end = first + (tokens * _topK);
        for (int i = first; i < end; i++)
        {
            starts[_experts[i] + 1]++;
        }

        for (int expert = 0; expert < experts; expert++)
        {
            starts[expert + 1] += starts[expert];
        }

        for (int i = first; i < end; i++)
        {
            int row = starts[_experts[i]]++;
            _tokens[row] = (i - first) / _topK;
            _rows[i - first] = row;
        }

        // Every start has moved to its end, which is where the next one started.
        for (int expert = experts; expert > 0; expert--)
        {
            starts[expert] = starts[expert - 1];
        }

        starts[0] = 0;
    }

    /// <summary>The rows of a token among all sorted tokens, one for each of its experts, best first.</summary>
    /// <param name="token">The token, counted from the first of those that were sorted.</param>
    public ReadOnlySpan<int> RowsOf(int token) => _rows.AsSpan(token * _topK, _topK);

    /// <summary>The tokens sorted by expert, counted from the first of those that were sorted.</summary>
    public ReadOnlySpan<int> SortedTokens => _tokens;

    /// <summary>The row of an expert's first token among all sorted ones.</summary>
    public int StartOf(int expert) => _starts[expert];

    /// <summary>The sorted tokens of an expert, counted from the first of those that were sorted.</summary>
    public ReadOnlySpan<int> TokensOf(int expert) => _tokens.AsSpan(_starts[expert].._starts[expert + 1]);
}
