using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Subjects;

/// <summary>The layer that every subject runs, as a checkpoint stores it: matrices row-major <c>[out, in]</c>.</summary>
/// <remarks>
/// Weights are normally distributed with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010): those of trained layers look much more
/// like that than like uniform ones, which would flatter a precision with scales.
/// </remarks>
internal sealed class LayerWeights : IFfnWeightSource, IDisposable
{
    private const int Seed = 1;

    private readonly Dictionary<(FfnTensorRole Role, int Stage, int Expert), AlignedFloats> _matrices = [];

    /// <summary>Makes random weights, the same ones in every run.</summary>
    /// <param name="spec">A layer of matrices alone.</param>
    public LayerWeights(FfnSpec spec)
    {
        Spec = spec;
        var random = new Random(Seed);
        foreach (FfnTensor tensor in spec.Tensors)
        {
            AlignedFloats matrix = Add(tensor);
            FillNormal(random, matrix.Span, Math.Sqrt(2.0 / ((double)tensor.Rows + tensor.Columns)));
        }
    }

    private LayerWeights(LayerWeights other)
    {
        Spec = other.Spec;
        foreach (FfnTensor tensor in Spec.Tensors)
        {
            other._matrices[KeyOf(tensor)].Span.CopyTo(Add(tensor).Span);
        }
    }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>W_gate <c>[d_ff, d_model]</c> of a dense layer.</summary>
    public AlignedFloats Gate => _matrices[(FfnTensorRole.Weight, 0, FfnTensor.NoExpert)];

    /// <summary>W_up <c>[d_ff, d_model]</c> of a dense layer.</summary>
    public AlignedFloats Up => _matrices[(FfnTensorRole.UpWeight, 0, FfnTensor.NoExpert)];

    /// <summary>W_down <c>[d_model, d_ff]</c> of a dense layer.</summary>
    public AlignedFloats Down => _matrices[(FfnTensorRole.Weight, 1, FfnTensor.NoExpert)];

    /// <summary>Bytes of all matrices in float32.</summary>
    public long ByteCount => sizeof(float) * Spec.ParameterCount;

    /// <summary>The same weights in memory of their own.</summary>
    public LayerWeights Copy() => new(this);

    /// <summary>Refuses mixtures, for subjects that run dense layers alone.</summary>
    /// <exception cref="NotSupportedException">The layer is a mixture.</exception>
    public void RequireDense(string subject)
    {
        if (Spec.Mixture is not null)
        {
            throw new NotSupportedException($"{subject} is measured on dense layers alone; leave out --experts or name other --subjects.");
        }
    }

    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination) =>
        _matrices[KeyOf(tensor)].Span.Slice(checked(firstRow * tensor.Columns), destination.Length).CopyTo(destination);

    public void Dispose()
    {
        foreach (AlignedFloats matrix in _matrices.Values)
        {
            matrix.Dispose();
        }
    }

    private static (FfnTensorRole Role, int Stage, int Expert) KeyOf(FfnTensor tensor) => (tensor.Role, tensor.Stage, tensor.Expert);

    private AlignedFloats Add(FfnTensor tensor) => _matrices[KeyOf(tensor)] = new AlignedFloats(checked((int)tensor.ElementCount));

    // Mean zero, by the transform of Box and Muller (1958).
    private static void FillNormal(Random random, Span<float> values, double deviation)
    {
        for (int i = 0; i < values.Length; i += 2)
        {
            // From (0, 1], where the logarithm is a number.
            double radius = deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            (double sine, double cosine) = Math.SinCos(2 * Math.PI * random.NextDouble());
            values[i] = (float)(radius * cosine);
            if (i + 1 < values.Length)
            {
                values[i + 1] = (float)(radius * sine);
            }
        }
    }
}

/// <summary>Copies of a layer's float32 weights that take turns, shared by the subjects that use them in place and made when first used.</summary>
internal sealed class WeightCopies : IDisposable
{
    private readonly List<LayerWeights> _copies;
    private int _turn;

    /// <summary>Nothing is copied yet.</summary>
    /// <param name="first">The weights, which are the first copy; disposed by their owner.</param>
    /// <param name="limits">Bounds of the copies.</param>
    public WeightCopies(LayerWeights first, RotationLimits limits) =>
        (_copies, Rotation) = ([first], limits.Of(first.ByteCount, first.ByteCount));

    /// <summary>How many there are.</summary>
    public WeightRotation Rotation { get; }

    /// <summary>The copy whose turn it is: the one that was not used for the longest time.</summary>
    public LayerWeights Next()
    {
        _turn = (_turn + 1) % Rotation.Copies;
        while (_copies.Count <= _turn)
        {
            _copies.Add(_copies[0].Copy());
        }

        return _copies[_turn];
    }

    public void Dispose() => _copies.Skip(1).ToList().ForEach(static copy => copy.Dispose());
}
