namespace NativeFfn.Backends.Cpu.Rows;

/// <summary>Rows of float32 somewhere in memory that is pinned or native for as long as this is used.</summary>
/// <param name="pointer">The first element of the first row; null for no rows.</param>
/// <param name="stride">Elements from one row to the next.</param>
internal readonly unsafe struct Matrix(float* pointer, long stride)
{
    public float* Pointer { get; } = pointer;

    public long Stride { get; } = stride;

    public bool IsNull => Pointer == null;

    /// <summary>The first element of a row.</summary>
    public float* Row(int row) => Pointer + (row * Stride);

    /// <summary>The same rows from a later one on.</summary>
    public Matrix From(int row) => From(row, 0);

    /// <summary>The same rows from a later one and a later column on.</summary>
    public Matrix From(int row, int column) => new(Pointer + (row * Stride) + column, Stride);
}
