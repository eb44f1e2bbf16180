namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>Rows of tokens as the panel kernels read them: tile after tile, in a tile column after column, in a column token after token.</summary>
/// <param name="pointer">The first tile.</param>
/// <param name="tiles">How tokens are cut.</param>
/// <param name="columns">Columns, filled up to <see cref="PanelFormat.GroupColumns"/>.</param>
internal readonly unsafe struct TokenPanels(float* pointer, TokenTiles tiles, long columns)
{
    public TokenTiles Tiles { get; } = tiles;

    /// <summary>Where a column of a tile starts.</summary>
    public float* At(int tile, long column) => pointer + (Tiles.FirstToken(tile) * columns) + (column * Tiles.Size(tile));

    /// <summary>Writes neighbouring columns of a tile from rows, zeros for the tokens that fill it.</summary>
    /// <param name="tile">The tile.</param>
    /// <param name="firstColumn">The first column written.</param>
    /// <param name="rows">The tile's rows, from that column on.</param>
    /// <param name="stride">Elements from one row to the next.</param>
    /// <param name="count">Columns.</param>
    public void Write(int tile, long firstColumn, float* rows, long stride, int count) => Interleaving.Interleave(
        rows, stride, Tiles.TokensOf(tile), count, At(tile, firstColumn), Tiles.Size(tile), Tiles.Size(tile));

    /// <summary>Clears the columns from one on to the end, so that they add nothing to a product.</summary>
    public void Clear(int tile, long firstColumn) =>
        new Span<float>(At(tile, firstColumn), checked((int)((columns - firstColumn) * Tiles.Size(tile)))).Clear();
}
