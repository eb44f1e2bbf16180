namespace NativeFfn.Backends.Cpu.Panels;

/// <summary>How tokens are grouped for the panel kernels: in groups of one size, but for a smaller last one.</summary>
internal readonly struct TokenGroups
{
    private readonly int _size;
    private readonly int _last;

    /// <summary>Groups tokens.</summary>
    /// <param name="tokens">Tokens; positive.</param>
    /// <param name="most">Tokens of the largest tile, one of the sizes that are written out.</param>
    public TokenGroups(int tokens, int most)
    {
        Tokens = tokens;
        Count = (tokens + most - 1) / most;

        // Groups of one size share memory's time equally, so they are preferred where they need no more zeros than full groups and a rest.
        int rest = TileSize(tokens - ((Count - 1) * most));
        int equal = TileSize((tokens + Count - 1) / Count);
        bool areEqual = Count * equal <= ((Count - 1) * most) + rest;
        _size = areEqual ? equal : most;
        _last = areEqual ? equal : rest;
    }

    // The tiles that are written out.
    private static ReadOnlySpan<byte> TileSizes => [1, 2, 4, 6, 8, 12];

    /// <summary>Tokens.</summary>
    public int Tokens { get; }

    /// <summary>Groups.</summary>
    public int Count { get; }

    /// <summary>Tokens with those that fill the last group.</summary>
    public int PaddedTokens => FirstToken(Count - 1) + _last;

    /// <summary>The first token of a group.</summary>
    public int FirstToken(int group) => group * _size;

    /// <summary>Tokens of a group, those that fill it included.</summary>
    public int Size(int group) => group == Count - 1 ? _last : _size;

    /// <summary>Tokens of a group without those that fill it.</summary>
    public int TokensOf(int group) => Math.Min(_size, Tokens - FirstToken(group));

    // The smallest that holds some tokens.
    private static int TileSize(int tokens)
    {
        foreach (byte size in TileSizes)
        {
            if (size >= tokens)
            {
                return size;
            }
        }

        throw new ArgumentOutOfRangeException(nameof(tokens), tokens, "No tile holds so many.");
    }
}

/// <summary>Rows of tokens as the panel kernels read them: group after group, in a group column after column, in a column token after token.</summary>
/// <param name="pointer">The first group.</param>
/// <param name="groups">How tokens are grouped.</param>
/// <param name="columns">Columns, filled up to <see cref="PanelFormat.GroupColumns"/>.</param>
internal readonly unsafe struct TokenPanels(float* pointer, TokenGroups groups, long columns)
{
    public TokenGroups Groups { get; } = groups;

    /// <summary>Where a column of a group starts.</summary>
    public float* At(int group, long column) => pointer + (Groups.FirstToken(group) * columns) + (column * Groups.Size(group));

    /// <summary>Writes neighbouring columns of a group from rows, zeros for the tokens that fill it.</summary>
    /// <param name="group">The group.</param>
    /// <param name="firstColumn">The first column written.</param>
    /// <param name="rows">The group's rows, from that column on.</param>
    /// <param name="stride">Elements from one row to the next.</param>
    /// <param name="count">Columns.</param>
    public void Write(int group, long firstColumn, float* rows, long stride, int count) => Interleaving.Interleave(
        rows, stride, Groups.TokensOf(group), count, At(group, firstColumn), Groups.Size(group));

    /// <summary>Clears the columns from one on to the end, so that they add nothing to a product.</summary>
    public void Clear(int group, long firstColumn) =>
        new Span<float>(At(group, firstColumn), checked((int)((columns - firstColumn) * Groups.Size(group)))).Clear();
}
