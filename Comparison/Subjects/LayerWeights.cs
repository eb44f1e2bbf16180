namespace NativeFfn.Comparison.Subjects;

/// <summary>The SwiGLU layer that every subject runs, as a checkpoint stores it: row-major <c>[out, in]</c>.</summary>
internal sealed class LayerWeights : IDisposable
{
    private const ulong Seed = 1;

    /// <summary>Makes random weights, the same ones in every run.</summary>
    /// <param name="dModel">d_model, in elements.</param>
    /// <param name="dFf">d_ff, in elements.</param>
    public LayerWeights(int dModel, int dFf)
    {
        Spec = FfnSpec.Create(FfnKind.SwiGlu, dModel, dFf);
        Source = new XavierWeights(Spec, Seed);
        Gate = Read(FfnTensorRole.Weight, stage: 0);
        Up = Read(FfnTensorRole.UpWeight, stage: 0);
        Down = Read(FfnTensorRole.Weight, stage: 1);
    }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <summary>Its weights, for those who lay them out themselves.</summary>
    public IFfnWeightSource Source { get; }

    /// <summary>W_gate <c>[d_ff, d_model]</c>.</summary>
    public AlignedFloats Gate { get; }

    /// <summary>W_up <c>[d_ff, d_model]</c>.</summary>
    public AlignedFloats Up { get; }

    /// <summary>W_down <c>[d_model, d_ff]</c>.</summary>
    public AlignedFloats Down { get; }

    /// <summary>Bytes of the three matrices in float32.</summary>
    public long ByteCount => sizeof(float) * ((long)Gate.Length + Up.Length + Down.Length);

    public void Dispose()
    {
        Gate.Dispose();
        Up.Dispose();
        Down.Dispose();
    }

    private AlignedFloats Read(FfnTensorRole role, int stage)
    {
        FfnTensor tensor = Spec.Tensors.Single(candidate => candidate.Role == role && candidate.Stage == stage);
        var values = new AlignedFloats(checked((int)tensor.ElementCount));
        Source.ReadRows(tensor, 0, values.Span);
        return values;
    }
}
