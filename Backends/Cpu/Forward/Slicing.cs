using NativeFfn.Backends.Cpu.Numa;

namespace NativeFfn.Backends.Cpu.Forward;

/// <summary>How a step over a matrix of rows × columns is cut into slices: a pure function of the work, so that results do not depend on
/// which threads were free.</summary>
internal readonly struct Slicing
{
    private readonly int _rows;
    private readonly int _columns;
    private readonly int _columnGranularity;
    private readonly int _columnCuts;

    private Slicing(int rows, int columns, int columnGranularity, int rowCuts, int columnCuts)
    {
        _rows = rows;
        _columns = columns;
        _columnGranularity = columnGranularity;
        _columnCuts = columnCuts;
        Count = rowCuts * columnCuts;
    }

    /// <summary>Slices.</summary>
    public int Count { get; }

    /// <summary>Cuts a product's result by columns (so that each weight is read by one thread), and by rows where it is too narrow.</summary>
    /// <param name="rows">Rows of the result.</param>
    /// <param name="columns">Columns of the result.</param>
    /// <param name="wanted">Slices wanted.</param>
    /// <param name="columnGranularity">Every slice but the last starts and ends at a multiple of this.</param>
    /// <param name="minimumColumns">Columns of a slice at least.</param>
    /// <param name="enough">Slices that make it unnecessary to cut rows as well, which has weights read by several threads.</param>
    public static Slicing OfProduct(int rows, int columns, int wanted, int columnGranularity, int minimumColumns, int enough)
    {
        int columnCuts = Math.Clamp(columns / minimumColumns, 1, wanted);
        int rowCuts = Math.Min(rows, (Math.Min(wanted, enough) + columnCuts - 1) / columnCuts);
        return new Slicing(rows, columns, columnGranularity, rowCuts, columnCuts);
    }

    /// <summary>Cuts whole rows.</summary>
    /// <param name="rows">Rows of the result; none make no slices.</param>
    /// <param name="columns">Columns of the result.</param>
    /// <param name="wanted">Slices wanted.</param>
    public static Slicing OfRows(int rows, int columns, int wanted) => rows == 0 ? default : new(rows, columns, 1, Math.Clamp(wanted, 1, rows), 1);

    /// <summary>The part of the matrix that a slice covers.</summary>
    public Region this[int slice]
    {
        get
        {
            int rowCuts = Count / _columnCuts;
            (int row, int column) = Math.DivRem(slice, _columnCuts);
            return new Region(
                Cut(_rows, row, rowCuts, 1), Cut(_rows, row + 1, rowCuts, 1),
                Cut(_columns, column, _columnCuts, _columnGranularity), Cut(_columns, column + 1, _columnCuts, _columnGranularity));
        }
    }

    // Cuts of the direction that is dealt to nodes: of columns, whose weights lie there, or of rows where columns are not cut.
    private int DealtCuts => _columnCuts == 1 ? Count : _columnCuts;

    /// <summary>Slices of a node.</summary>
    public int CountOf(NodeShare node) =>
        Count == 0 ? 0 : (int)(node.End(DealtCuts) - node.Start(DealtCuts)) * (Count / DealtCuts);

    /// <summary>The part of the matrix that a slice of a node covers.</summary>
    /// <param name="node">The node.</param>
    /// <param name="slice">From 0, below <see cref="CountOf"/>.</param>
    public Region Of(NodeShare node, int slice)
    {
        int first = (int)node.Start(DealtCuts);
        (int row, int cut) = Math.DivRem(slice, (int)node.End(DealtCuts) - first);
        return this[(row * DealtCuts) + first + cut];
    }

    private static int Cut(int length, int slice, int count, int granularity) =>
        slice == count ? length : (int)((long)length * slice / count) / granularity * granularity;
}

/// <summary>Rows and columns from the first up to, and without, the last.</summary>
internal readonly record struct Region(int FirstRow, int EndRow, int FirstColumn, int EndColumn)
{
    public int Rows => EndRow - FirstRow;

    public int Columns => EndColumn - FirstColumn;
}
