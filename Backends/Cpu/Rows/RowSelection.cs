namespace NativeFfn.Backends.Cpu.Rows;

/// <summary>Some rows of a matrix, those that are named or, where none are, one after the other.</summary>
/// <param name="matrix">The matrix.</param>
/// <param name="rows">The rows' numbers; none for the matrix's own order.</param>
internal readonly unsafe ref struct RowSelection(Matrix matrix, ReadOnlySpan<int> rows)
{
    private readonly Matrix _matrix = matrix;
    private readonly ReadOnlySpan<int> _rows = rows;

    /// <summary>Rows one after the other.</summary>
    /// <param name="pointer">The first element of the first row.</param>
    /// <param name="stride">Elements from one row to the next.</param>
    public RowSelection(float* pointer, long stride)
        : this(new Matrix(pointer, stride), default)
    {
    }

    /// <summary>The first element of a row.</summary>
    public float* this[int row] => _matrix.Row(_rows.IsEmpty ? row : _rows[row]);
}
