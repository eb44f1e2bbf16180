namespace NativeFfn.Checkpoints.Quantised;

/// <summary>Some bytes of every row of a quantised matrix, read from one stored tensor. Safe for use by several threads at once.</summary>
internal abstract class RowPart
{
    /// <summary>Whether rows lie across the stored tensor, so that few rows cost about as much as many.</summary>
    public virtual bool IsAcross => false;

    /// <summary>Reads the part of consecutive rows into its place in each of them.</summary>
    /// <param name="firstRow">The first row, from 0.</param>
    /// <param name="count">How many.</param>
    /// <param name="rows">The rows, zeros where no part has written yet.</param>
    /// <param name="rowBytes">Bytes of a row.</param>
    public abstract void Read(long firstRow, int count, Span<byte> rows, int rowBytes);
}
