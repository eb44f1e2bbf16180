namespace NativeFfn.Checkpoints.Quantised;

/// <summary>A byte that every row has.</summary>
/// <param name="offset">Where it lies in a row.</param>
/// <param name="value">The byte.</param>
internal sealed class ConstantPart(int offset, byte value) : RowPart
{
    /// <inheritdoc/>
    public override void Read(long firstRow, int count, Span<byte> rows, int rowBytes)
    {
        for (int i = 0; i < count; i++)
        {
            rows[(i * rowBytes) + offset] = value;
        }
    }
}
