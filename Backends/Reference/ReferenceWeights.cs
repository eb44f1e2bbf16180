using System.Collections.Frozen;

namespace NativeFfn.Backends.Reference;

/// <summary>A copy of a layer's weights as float32, an array a tensor.</summary>
internal sealed class ReferenceWeights : IFfnWeightSource
{
    private readonly FrozenDictionary<TensorKey, float[]> _tensors;

    /// <summary>Reads every tensor once.</summary>
    /// <exception cref="InsufficientMemoryException">There is no memory for the copy.</exception>
    public ReferenceWeights(FfnSpec spec, IFfnWeightSource source)
    {
        try
        {
            _tensors = spec.Tensors.ToFrozenDictionary(static tensor => tensor.Key, static tensor => new float[tensor.ElementCount]);
        }
        catch (OutOfMemoryException exception)
        {
            throw new InsufficientMemoryException(
                $"The weights of {spec} need {spec.ParameterCount * sizeof(float)} bytes, which the system did not give.", exception);
        }

        foreach (FfnTensor tensor in spec.Tensors)
        {
            source.ReadRows(tensor, 0, _tensors[tensor.Key]);
        }
    }

    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination) =>
        _tensors[tensor.Key].AsSpan(firstRow * tensor.Columns, destination.Length).CopyTo(destination);
}
