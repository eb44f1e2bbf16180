namespace NativeFfn.Backends.Cpu.Gemm;

/// <summary>The cut of tokens into tiles for the panel kernels: tiles of one size, but for a smaller last one.</summary>
internal readonly struct TokenTiles
{
    private readonly int _size;
    private readonly int _last;

    /// <summary>Cuts tokens.</summary>
    /// <param name="tokens">Tokens; positive.</param>
    /// <param name="most">Tokens of the largest tile, one of the sizes that are written out.</param>
    public TokenTiles(int tokens, int most)
    {
        Tokens = tokens;
        Count = (tokens + most - 1) / most;

        // Tiles of one size share memory's time equally, so they are preferred where they need no more zeros than full tiles and a rest.
        int rest = TileSize(tokens - ((Count - 1) * most));
        int equal = TileSize((tokens + Count - 1) / Count);
        bool areEqual = Count * equal <= ((Count - 1) * most) + rest;
        _size = areEqual ? equal : most;
        _last = areEqual ? equal : rest;
    }

    /// <summary>Tokens of the tiles that are written out, the smallest first.</summary>
    public static ReadOnlySpan<byte> Sizes => [1, 2, 4, 6, 8, 12];

    /// <summary>The fewest tokens that no smaller tile holds.</summary>
    public static int FewestOf(int size)
    {
        int smaller = Sizes.IndexOf((byte)size) - 1;
        return smaller < 0 ? 1 : Sizes[smaller] + 1;
    }

    /// <summary>Tokens.</summary>
    public int Tokens { get; }

    /// <summary>Tiles.</summary>
    public int Count { get; }

    /// <summary>Tokens with those that fill the last tile.</summary>
    public int PaddedTokens => FirstToken(Count - 1) + _last;

    /// <summary>The first token of a tile.</summary>
    public int FirstToken(int tile) => tile * _size;

    /// <summary>Tokens of a tile, those that fill it included.</summary>
    public int Size(int tile) => tile == Count - 1 ? _last : _size;

    /// <summary>Tokens of a tile without those that fill it.</summary>
    public int TokensOf(int tile) => Math.Min(_size, Tokens - FirstToken(tile));

    // The smallest that holds some tokens.
    private static int TileSize(int tokens)
    {
        foreach (byte size in Sizes)
        {
            if (size >= tokens)
            {
                return size;
            }
        }

        throw new ArgumentOutOfRangeException(nameof(tokens), tokens, "No tile holds so many.");
    }
}
