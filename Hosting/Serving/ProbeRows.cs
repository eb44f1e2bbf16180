namespace NativeFfn.Hosting.Serving;

/// <summary>Rows for what runs before the first request: numbers in ±1 of all sizes, no row like another.</summary>
internal static class ProbeRows
{
    // Multiples of the golden ratio spread evenly, and so do those of the square root of two; no multiple of one is one of the other.
    private const double ColumnStep = 0.6180339887498949;
    private const double RowStep = 0.4142135623730951;

    /// <summary>Makes rows, the same ones every time.</summary>
    /// <param name="tokens">Rows.</param>
    /// <param name="width">Elements of a row.</param>
    public static float[] Make(int tokens, int width)
    {
        float[] rows = new float[checked(tokens * width)];
        for (int i = 0; i < rows.Length; i++)
        {
            (int row, int column) = Math.DivRem(i, width);
            rows[i] = (float)((2 * (((row * RowStep) + (column * ColumnStep)) % 1)) - 1);
        }

        return rows;
    }
}
