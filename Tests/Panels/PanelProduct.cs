using NativeFfn.Backends.Cpu.Gemm;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Cpu.Rows;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Panels;

/// <summary>A whole product by a panel kernel, block after block as a layer calls it, with every operand beside a page that may not be touched.</summary>
internal static unsafe class PanelProduct
{
    /// <summary>tokens · weightsᵀ, <c>[tokens, rows]</c>; the groups of tokens may be multiplied in two parts, and be larger than the kernel asks for.</summary>
    public static float[] Of(PackedMatrix weights, float[] tokens, int splitGroup = 0, GuardSide side = GuardSide.After, int mostTokens = 0)
    {
        PanelKernel kernel = weights.Kernel;
        int columns = weights.Columns;
        int rowsOfPanel = kernel.Rows;
        TokenTiles groups = mostTokens == 0 ? kernel.Tile(tokens.Length / columns) : new TokenTiles(tokens.Length / columns, mostTokens);
        int padded = (int)PanelFormat.PaddedColumns(columns);
        using var rows = GuardedBuffer.Of(tokens, side);
        using var grouped = new GuardedBuffer(groups.PaddedTokens * padded, side);
        grouped.Span.Fill(float.NaN);
        var input = new TokenPanels(grouped.Pointer, groups, padded, kernel.Form);
        for (int group = 0; group < groups.Count; group++)
        {
            // In two pieces, as hidden columns come panel after panel, and integers by whole groups.
            int first = columns / 3 / PanelFormat.GroupColumns * PanelFormat.GroupColumns;
            float* start = rows.Pointer + (groups.FirstToken(group) * columns);
            if (kernel.ColumnOrder is { } order)
            {
                input.WriteRows(group, new RowSelection(start, columns), columns, order);
                continue;
            }

            input.Write(group, 0, new RowSelection(start, columns), first);
            input.Write(group, first, new RowSelection(start + first, columns), columns - first);
            input.Clear(group, columns);
        }

        float[] sums = new float[groups.Tokens * weights.Rows];
        for (int panel = 0; panel < weights.Panels; panel++)
        {
            int end = splitGroup == 0 ? groups.Count : splitGroup;
            Multiply(weights, panel, input, 0, end, side, sums, rowsOfPanel);
            if (end < groups.Count)
            {
                Multiply(weights, panel, input, end, groups.Count, side, sums, rowsOfPanel);
            }
        }

        return sums;
    }

    private static void Multiply(
        PackedMatrix weights, int panel, TokenPanels input, int firstGroup, int endGroup, GuardSide side, float[] sums, int rowsOfPanel)
    {
        TokenTiles groups = input.Tiles;
        int firstToken = groups.FirstToken(firstGroup);
        int endToken = groups.FirstToken(endGroup - 1) + groups.Size(endGroup - 1);
        using var tile = new GuardedBuffer((endToken - firstToken) * rowsOfPanel, side);

        // A product that is not added to the tile must not read it.
        tile.Span.Fill(float.NaN);
        int columnGroups = PanelFormat.Groups(weights.Columns);
        for (int block = 0; block < columnGroups; block += PanelKernel.BlockGroups)
        {
            int count = Math.Min(PanelKernel.BlockGroups, columnGroups - block);
            byte* start = weights.Panel(panel) + weights.Kernel.BytesOf(block);
            PanelKernel kernel = weights.Kernel;
            using var decoded = new GuardedBuffer(count * PanelFormat.GroupColumns * rowsOfPanel, side);
            if (kernel.IsDecoded)
            {
                kernel.Unpack(start, weights.Columns, block, count, decoded.Pointer, rowsOfPanel);
                start = (byte*)decoded.Pointer;
                kernel = kernel.Widened;
            }

            int bytes = (int)(weights.Kernel.BytesOf(block + count) - weights.Kernel.BytesOf(block));
            byte* next = start + bytes;
            kernel.Multiply(
                start, count, input, (long)block * PanelFormat.GroupColumns, firstGroup, endGroup, tile.Pointer, accumulate: block > 0, next, bytes);
        }

        int rows = Math.Min(rowsOfPanel, weights.Rows - (panel * rowsOfPanel));
        for (int token = firstToken; token < Math.Min(endToken, groups.Tokens); token++)
        {
            tile.Span.Slice((token - firstToken) * rowsOfPanel, rows).CopyTo(sums.AsSpan((token * weights.Rows) + (panel * rowsOfPanel)));
        }
    }
}
