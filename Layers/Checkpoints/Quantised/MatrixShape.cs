using System.Collections.Immutable;
using NativeFfn.Checkpoints.Files;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>The shape of a quantised matrix, or of a stack of them.</summary>
/// <param name="Outer">The dimensions before the rows: empty, or the experts of a stack.</param>
/// <param name="Rows">Rows of a matrix.</param>
/// <param name="Columns">Columns.</param>
internal readonly record struct MatrixShape(ImmutableArray<long> Outer, long Rows, int Columns)
{
    // No dimension comes near; a row's bytes then fit 32 bits in any format.
    private const int MaxColumns = 1 << 24;

    /// <summary>All dimensions.</summary>
    public ImmutableArray<long> Dimensions => [.. Outer, Rows, Columns];

    /// <summary>Matrices of the stack.</summary>
    public long Matrices => TensorEntry.Product(Outer.AsSpan());

    /// <summary>A matrix of a piece's rows, and of columns that its own make.</summary>
    /// <param name="codes">The codes, <c>[rows, packed columns]</c>, or a stack of such.</param>
    /// <param name="columns">Columns.</param>
    public static MatrixShape Of(TensorPiece codes, long columns) => new([.. codes.Shape[..^2]], codes.Shape[^2], Checked(codes, columns));

    /// <summary>A count of columns that no model's passes.</summary>
    public static int Checked(TensorPiece piece, long columns) => columns is >= 1 and <= MaxColumns
        ? (int)columns
        : throw piece.Wrong($"stands for rows of {columns} weights; 1 to {MaxColumns} can be read");

    /// <summary>Rows of one matrix as an int.</summary>
    public int CheckedRows(TensorPiece piece) =>
        Rows <= int.MaxValue ? (int)Rows : throw piece.Wrong($"stands for {Rows} rows, more than can be read");
}
