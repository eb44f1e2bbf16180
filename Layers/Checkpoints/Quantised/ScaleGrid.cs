using NativeFfn.Backends.Encodings;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>How scales that are stored row by row lie over a matrix: a number for each block of rows and columns.</summary>
/// <param name="Piece">The scales.</param>
/// <param name="Type">Their format.</param>
/// <param name="Groups">Scales of a row.</param>
/// <param name="GroupColumns">Neighbouring columns that share one.</param>
/// <param name="MatrixRows">Rows of a matrix, after which the scales of the next begin.</param>
/// <param name="GroupRows">Neighbouring rows that share them.</param>
internal sealed record ScaleGrid(TensorPiece Piece, ScaleType Type, int Groups, int GroupColumns, long MatrixRows, long GroupRows)
{
    /// <summary>Scales of which every block of rows and columns has one; the last blocks may be smaller.</summary>
    public static ScaleGrid Blocks(TensorPiece scales, MatrixShape shape, int rows, int columns, ScaleType? ofBytes = null)
    {
        rows = (int)Math.Min(rows, shape.Rows);
        columns = Math.Min(columns, shape.Columns);
        long down = (shape.Rows + rows - 1) / rows;
        int across = (shape.Columns + columns - 1) / columns;
        scales.OfShape([.. shape.Outer, down, across]);
        return new ScaleGrid(scales, scales.ScaleType(ofBytes), across, columns, shape.Rows, rows);
    }

    /// <summary>Scales of groups of a row's columns; the last may be smaller.</summary>
    public static ScaleGrid Columns(TensorPiece scales, MatrixShape shape, int columns, ScaleType? ofBytes = null) =>
        Blocks(scales, shape, 1, columns, ofBytes);

    /// <summary>One scale for each row, or for each matrix, or for all: what the shape has room for.</summary>
    public static ScaleGrid Whole(TensorPiece scales, MatrixShape shape)
    {
        ScaleType type = scales.ScaleType();
        long matrices = shape.Matrices;
        if (scales.Elements == 1)
        {
            return new ScaleGrid(scales, type, 1, shape.Columns, matrices * shape.Rows, matrices * shape.Rows);
        }

        bool ofRows = scales.Shape.AsSpan().SequenceEqual([.. shape.Outer, shape.Rows])
            || scales.Shape.AsSpan().SequenceEqual([.. shape.Outer, shape.Rows, 1]);
        if (ofRows)
        {
            return new ScaleGrid(scales, type, 1, shape.Columns, shape.Rows, 1);
        }

        if (scales.Shape.AsSpan().SequenceEqual([.. shape.Outer, 1, shape.Columns]))
        {
            throw scales.Wrong(
                "has a scale for each column, as Llama 4's experts in fbgemm_fp8 have them, which are stored turned; such stacks are not read. "
                + "Take the checkpoint in BF16");
        }

        bool ofMatrices = scales.Elements == matrices && scales.Shape.Length > 0 && scales.Shape[0] == matrices;
        return ofMatrices
            ? new ScaleGrid(scales, type, 1, shape.Columns, shape.Rows, shape.Rows)
            : throw scales.Wrong(
                $"has shape {CheckpointText.Shape(scales.Shape.AsSpan())}; a scale for each row of " +
                $"{CheckpointText.Shape(shape.Dimensions.AsSpan())} or one for all is expected");
    }

    /// <summary>The scales' part of a row.</summary>
    public RowMajorPart Part(int offset) => PartOf(Piece, offset, Groups * Type.Bytes());

    /// <summary>The part of a row that has a byte where a scale is: zero points of 8 bits.</summary>
    public RowMajorPart Bytes(TensorPiece piece, int offset, byte added) =>
        PartOf(piece.OfShape(Piece.Shape.AsSpan()), offset, Groups, added);

    /// <summary>The part of a row that has another number where a scale is.</summary>
    public RowMajorPart Others(TensorPiece piece, int offset) =>
        PartOf(piece.OfType(Piece.Type).OfShape(Piece.Shape.AsSpan()), offset, Groups * Type.Bytes());

    private RowMajorPart PartOf(TensorPiece piece, int offset, int bytes, byte added = 0) =>
        new(piece, offset, bytes, bytes) { MatrixRows = MatrixRows, SharedBy = GroupRows, Added = added };
}
