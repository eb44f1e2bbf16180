using System.Buffers;

namespace NativeFfn.Backends.Encodings;

/// <summary>A source that hands out weights as they are stored, so that what is stored in an engine's encoding reaches it without a detour.</summary>
internal interface IEncodedWeightSource : IFfnWeightSource
{
    /// <summary>How a tensor is stored.</summary>
    /// <param name="tensor">A tensor of <see cref="FfnSpec.Tensors"/>.</param>
    WeightEncoding EncodingOf(FfnTensor tensor);

    /// <summary>Reads consecutive rows of one tensor as they are stored.</summary>
    /// <param name="tensor">A tensor of <see cref="FfnSpec.Tensors"/>.</param>
    /// <param name="firstRow">The first row wanted, from 0.</param>
    /// <param name="rows">Receives whole rows of <see cref="WeightEncoding.RowBytes"/> each.</param>
    void ReadBlocks(FfnTensor tensor, int firstRow, Span<byte> rows);

    /// <summary>Reads a part of consecutive rows, as <see cref="WeightEncoding.Cut"/> has it; where files allow, nothing else is read.</summary>
    /// <param name="tensor">A matrix of <see cref="FfnSpec.Tensors"/>.</param>
    /// <param name="firstRow">The first row wanted, from 0.</param>
    /// <param name="firstColumn">The part's first column; a multiple of <see cref="WeightEncoding.CutColumns"/>.</param>
    /// <param name="columns">Columns of the part; a multiple as well, unless it ends the row.</param>
    /// <param name="parts">Receives as many parts of rows as it has room for, each as long as a row of the part's encoding.</param>
    void ReadBlocks(FfnTensor tensor, int firstRow, int firstColumn, int columns, Span<byte> parts)
    {
        WeightEncoding encoding = EncodingOf(tensor);
        int partBytes = checked((int)encoding.Cut(firstColumn, columns).RowBytes(columns));
        byte[] row = ArrayPool<byte>.Shared.Rent(checked((int)encoding.RowBytes(tensor.Columns)));
        try
        {
            Span<byte> whole = row.AsSpan(0, (int)encoding.RowBytes(tensor.Columns));
            for (; !parts.IsEmpty; parts = parts[partBytes..])
            {
                ReadBlocks(tensor, firstRow++, whole);
                encoding.CutRow(whole, firstColumn, columns, parts[..partBytes]);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(row);
        }
    }
}
