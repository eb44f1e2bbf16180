namespace NativeFfn.Backends.Cpu;

/// <summary>How a step over a matrix of rows × columns is cut into slices: a pure function of the work, so that results do not depend on
/// which threads were free.</summary>
internal readonly struct Slicing
{
    // A slice of a product should be wide enough to fill a GEMM's tiles; floats of a cache line, so that no two slices share one.
    private const int MinimumColumns = 64;
    private const int ColumnGranularity = 16;

    private readonly int _rows;
    private readonly int _columns;
    private readonly bool _byColumns;

    private Slicing(int rows, int columns, int count, bool byColumns)
    {
        _rows = rows;
        _columns = columns;
        _byColumns = byColumns;
        Count = count;
    }

    /// <summary>Slices.</summary>
    public int Count { get; }

    /// <summary>Cuts a product's result by columns (so that each weight is read by one thread), or by rows where it is too narrow.</summary>
    /// <param name="rows">Rows of the result.</param>
    /// <param name="columns">Columns of the result.</param>
    /// <param name="sliceableInto">Slices that the work is worth.</param>
    /// <param name="threads">Slices at most.</param>
    public static Slicing OfProduct(int rows, int columns, long sliceableInto, int threads)
    {
        int wanted = (int)Math.Clamp(sliceableInto, 1, threads);
        return columns >= wanted * MinimumColumns
            ? new Slicing(rows, columns, wanted, byColumns: true)
            : new Slicing(rows, columns, Math.Min(wanted, rows), byColumns: false);
    }

    /// <summary>Cuts whole rows.</summary>
    /// <param name="rows">Rows of the result.</param>
    /// <param name="columns">Columns of the result.</param>
    /// <param name="sliceableInto">Slices that the work is worth.</param>
    /// <param name="threads">Slices at most.</param>
    public static Slicing OfRows(int rows, int columns, long sliceableInto, int threads) =>
        new(rows, columns, (int)Math.Clamp(sliceableInto, 1, Math.Min(threads, rows)), byColumns: false);

    /// <summary>The part of the matrix that a slice covers.</summary>
    public Region this[int slice] => _byColumns
        ? new Region(0, _rows, Cut(_columns, slice, ColumnGranularity), Cut(_columns, slice + 1, ColumnGranularity))
        : new Region(Cut(_rows, slice, 1), Cut(_rows, slice + 1, 1), 0, _columns);

    private int Cut(int length, int slice, int granularity) =>
        slice == Count ? length : (int)((long)length * slice / Count) / granularity * granularity;
}

/// <summary>Rows and columns from the first up to, and without, the last.</summary>
internal readonly record struct Region(int FirstRow, int EndRow, int FirstColumn, int EndColumn)
{
    public int Rows => EndRow - FirstRow;

    public int Columns => EndColumn - FirstColumn;
}
