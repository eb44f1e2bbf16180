namespace NativeFfn;

/// <summary>Weights of any layer, held in managed memory by tensor name: for stacks, tests and weights made by code.</summary>
/// <remarks>Names and shapes are those of <see cref="FfnSpec.Tensors"/>. Reading is safe for use by several threads at once; adding is not.</remarks>
public sealed class FfnMemoryWeights : IFfnWeightSource
{
    private readonly FfnSpec _spec;
    private readonly Dictionary<string, ReadOnlyMemory<float>> _tensors = [];

    /// <summary>Starts an empty set for a layer.</summary>
    /// <param name="spec">The layer.</param>
    public FfnMemoryWeights(FfnSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        _spec = spec;
    }

    /// <summary>Adds or replaces one tensor, which is referred to, not copied.</summary>
    /// <param name="name">A name of <see cref="FfnSpec.Tensors"/>.</param>
    /// <param name="values">Its elements, row-major.</param>
    /// <returns>This set.</returns>
    /// <exception cref="ArgumentException">The layer has no such tensor, or it has another number of elements.</exception>
    public FfnMemoryWeights Set(string name, ReadOnlyMemory<float> values)
    {
        WeightChecks.RequireKnown(_spec, name, values.Length);
        _tensors[name] = values;
        return this;
    }

    /// <summary>One tensor's elements, row-major.</summary>
    /// <param name="name">A name of <see cref="FfnSpec.Tensors"/>.</param>
    /// <exception cref="ArgumentException">The tensor was not set.</exception>
    public ReadOnlyMemory<float> Get(string name) => _tensors.TryGetValue(name, out ReadOnlyMemory<float> values)
        ? values
        : throw new ArgumentException($"Tensor '{name}' of {_spec} was not set.", nameof(name));

    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Get(tensor.Name).Span.Slice(checked(firstRow * tensor.Columns), destination.Length).CopyTo(destination);
    }
}
