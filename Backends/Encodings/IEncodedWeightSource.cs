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
}
