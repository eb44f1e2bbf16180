namespace NativeFfn;

/// <summary>
/// Where a backend takes a layer's weights from, in pieces of its own choosing, so that it can lay them out its own way (native memory,
/// device memory) without a second copy of them existing in between.
/// </summary>
public interface IFfnWeightSource
{
    /// <summary>Reads consecutive rows of one tensor, widened to float32.</summary>
    /// <param name="tensor">A tensor of <see cref="FfnSpec.Tensors"/>.</param>
    /// <param name="firstRow">The first row wanted, from 0.</param>
    /// <param name="destination">Receives the rows, row-major; its length is a multiple of <see cref="FfnTensor.Columns"/>.</param>
    void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination);
}
