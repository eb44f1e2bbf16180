using System.Runtime.CompilerServices;
using NativeFfn.Backends.Cpu.Rows;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>Rows of tokens as the panel kernels read them: tile after tile, in a tile column after column, in a column token after token, unless the form says otherwise.</summary>
/// <param name="pointer">The first tile; room for float32, which is more than others take.</param>
/// <param name="tiles">How tokens are cut.</param>
/// <param name="columns">Columns, filled up to <see cref="PanelFormat.GroupColumns"/>.</param>
/// <param name="form">What the kernels want; all but float32 is written and found by whole groups of columns.</param>
internal readonly unsafe struct TokenPanels(float* pointer, TokenTiles tiles, long columns, TokenForm form)
{
    public TokenTiles Tiles { get; } = tiles;

    /// <summary>Where a column of a tile starts.</summary>
    public float* At(int tile, long column) =>
        pointer + (Tiles.FirstToken(tile) * form.Elements(columns)) + (form.Elements(column) * Tiles.Size(tile));

    /// <summary>Writes neighbouring columns of a tile from rows, zeros for the tokens that fill it.</summary>
    /// <param name="tile">The tile.</param>
    /// <param name="firstColumn">The first column written.</param>
    /// <param name="rows">The tile's rows, from that column on.</param>
    /// <param name="count">Columns.</param>
    public void Write(int tile, long firstColumn, RowSelection rows, int count)
    {
        int size = Tiles.Size(tile);
        if (form.IsFloat)
        {
            Interleaving.Interleave(rows, Tiles.TokensOf(tile), count, At(tile, firstColumn), size, size);
        }
        else
        {
            RoundedRows.Write(rows, Tiles.TokensOf(tile), count, form, At(tile, firstColumn), size);
        }
    }

    /// <summary>Writes a tile from whole rows, in the order of columns that the kernels want.</summary>
    /// <param name="tile">The tile.</param>
    /// <param name="rows">The tile's rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="order">The order; null for the rows' own.</param>
    [SkipLocalsInit]
    public void WriteRows(int tile, RowSelection rows, int width, ReadOnlySpan<int> order)
    {
        if (order.IsEmpty)
        {
            Write(tile, 0, rows, width);
        }

        float* group = stackalloc float[Tiles.Size(tile) * PanelFormat.GroupColumns];
        for (int first = 0; first < order.Length; first += PanelFormat.GroupColumns)
        {
            ReadOnlySpan<int> columns = order.Slice(first, Math.Min(PanelFormat.GroupColumns, order.Length - first));
            for (int token = 0; token < Tiles.TokensOf(tile); token++)
            {
                float* row = rows[token];
                for (int i = 0; i < columns.Length; i++)
                {
                    group[(token * PanelFormat.GroupColumns) + i] = row[columns[i]];
                }
            }

            Write(tile, first, new RowSelection(group, PanelFormat.GroupColumns), columns.Length);
        }

        Clear(tile, width);
    }

    /// <summary>Clears the columns after the last one that was written, so that they add nothing to a product; those of all but float32 are zeros already.</summary>
    public void Clear(int tile, long firstColumn)
    {
        if (form.IsFloat)
        {
            new Span<float>(At(tile, firstColumn), checked((int)((columns - firstColumn) * Tiles.Size(tile)))).Clear();
        }
    }
}
