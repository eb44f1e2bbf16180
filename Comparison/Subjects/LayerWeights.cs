namespace NativeFfn.Comparison.Subjects;

/// <summary>The SwiGLU layer that every subject runs, as a checkpoint stores it: row-major <c>[out, in]</c>.</summary>
/// <remarks>
/// Weights are normally distributed with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010): those of trained layers look much more
/// like that than like uniform ones, which would flatter a precision with scales.
/// </remarks>
internal sealed class LayerWeights : IFfnWeightSource, IDisposable
{
    private const int Seed = 1;

    /// <summary>Makes random weights, the same ones in every run.</summary>
    /// <param name="dModel">d_model, in elements.</param>
    /// <param name="dFf">d_ff, in elements.</param>
    public LayerWeights(int dModel, int dFf)
    {
        Spec = FfnSpec.Create(FfnKind.SwiGlu, dModel, dFf);
        var gaussian = new GaussianNumbers(Seed);
        double deviation = Math.Sqrt(2.0 / ((double)dModel + dFf));
        Gate = Matrix(gaussian, deviation);
        Up = Matrix(gaussian, deviation);
        Down = Matrix(gaussian, deviation);
    }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>W_gate <c>[d_ff, d_model]</c>.</summary>
    public AlignedFloats Gate { get; }

    /// <summary>W_up <c>[d_ff, d_model]</c>.</summary>
    public AlignedFloats Up { get; }

    /// <summary>W_down <c>[d_model, d_ff]</c>.</summary>
    public AlignedFloats Down { get; }

    /// <summary>Bytes of the three matrices in float32.</summary>
    public long ByteCount => sizeof(float) * ((long)Gate.Length + Up.Length + Down.Length);

    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
    {
        AlignedFloats matrix = tensor.Role == FfnTensorRole.UpWeight ? Up : tensor.Stage == 0 ? Gate : Down;
        matrix.Span.Slice(checked(firstRow * tensor.Columns), destination.Length).CopyTo(destination);
    }

    public void Dispose()
    {
        Gate.Dispose();
        Up.Dispose();
        Down.Dispose();
    }

    // All three have as many weights.
    private AlignedFloats Matrix(GaussianNumbers gaussian, double deviation)
    {
        var values = new AlignedFloats(checked(Spec.DModel * Spec.DFf));
        gaussian.Fill(values.Span, deviation);
        return values;
    }
}
