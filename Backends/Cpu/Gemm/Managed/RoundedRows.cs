using System.Runtime.CompilerServices;
using NativeFfn.Backends.Cpu.Gemm.Managed.Integers;
using NativeFfn.Backends.Cpu.Rows;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>Rounds rows of tokens to what a kernel multiplies, group after group of columns.</summary>
internal static unsafe class RoundedRows
{
    /// <summary>Writes neighbouring groups of a tile.</summary>
    /// <param name="rows">The tokens' rows, from the first group on.</param>
    /// <param name="tokens">Tokens; at most <paramref name="size"/>, the rest of which is written as zeros.</param>
    /// <param name="columns">Columns; zeros fill the last group.</param>
    /// <param name="form">How they lie; not float32.</param>
    /// <param name="destination">The tile's first group.</param>
    /// <param name="size">Tokens of the tile.</param>
    [SkipLocalsInit]
    public static void Write(RowSelection rows, int tokens, int columns, TokenForm form, float* destination, int size)
    {
        const int width = PanelFormat.GroupColumns;
        int elements = form.GroupElements;
        bool isByToken = form.IsByToken(size);
        float* last = stackalloc float[width];
        float* groups = stackalloc float[size * elements];
        for (int column = 0; column < columns; column += width, destination += size * elements)
        {
            int count = Math.Min(width, columns - column);
            for (int token = 0; token < tokens; token++)
            {
                float* row = rows[token] + column;
                if (count < width)
                {
                    new Span<float>(last, width).Clear();
                    new ReadOnlySpan<float>(row, count).CopyTo(new Span<float>(last, width));
                    row = last;
                }

                float* group = groups + (token * elements);
                if (form.IsBFloat16)
                {
                    BFloat16Rows.Write(row, group);
                }
                else
                {
                    IntegerRows.Write(row, form, size, group);
                }
            }

            if (isByToken)
            {
                CopyTokens(groups, tokens, form, destination, size);
            }
            else
            {
                Interleaving.Interleave(new RowSelection(groups, elements), tokens, elements, destination, size, size);
            }
        }
    }

    // Lanes token after token, zeros for those that fill the tile, then the numbers of all.
    private static void CopyTokens(float* groups, int tokens, TokenForm form, float* destination, int size)
    {
        for (int token = 0; token < tokens; token++)
        {
            new ReadOnlySpan<float>(groups + (token * form.GroupElements), form.Lanes).CopyTo(new Span<float>(destination + (token * form.Lanes), form.Lanes));
        }

        float* numbers = destination + (size * form.Lanes);
        new Span<float>(destination + (tokens * form.Lanes), (size - tokens) * form.Lanes).Clear();
        Interleaving.Interleave(new RowSelection(groups + form.Lanes, form.GroupElements), tokens, form.Numbers, numbers, size, size);
    }
}
