namespace NativeFfn;

/// <summary>Random weights of any layer, made as they are read: the same seed gives the same numbers, whatever is read in which order.</summary>
/// <remarks>
/// Matrices are uniform in ±√(6 / (fan_in + fan_out)) (Glorot and Bengio 2010), biases are zero, norms and scales leave their input as it is. No
/// memory is held. Safe for use by several threads at once.
/// </remarks>
public sealed class XavierWeights : IFfnWeightSource
{
    private readonly ulong _seed;

    /// <summary>Weights of a seed.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="seed">Any number.</param>
    public XavierWeights(FfnSpec spec, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(spec);
        Spec = spec;
        _seed = seed;
    }

    /// <summary>The layer.</summary>
    public FfnSpec Spec { get; }

    /// <inheritdoc/>
    public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.IsVector)
        {
            destination.Fill(VectorValue(tensor.Role));
            return;
        }

        float bound = MathF.Sqrt(6f / ((float)tensor.Rows + tensor.Columns));
        ulong network = (ulong)(uint)(tensor.Expert - FfnTensor.NoExpert);
        ulong stream = Mix(_seed ^ Mix((network << 32) + ((ulong)tensor.Stage << 8) + (ulong)tensor.Role));
        ulong index = (ulong)firstRow * (ulong)tensor.Columns;
        foreach (ref float value in destination)
        {
            // 24 random bits are what a float holds of the interval [0, 1).
            float unit = (Mix(stream + index++) >> 40) * (1f / (1 << 24));
            value = bound * ((2f * unit) - 1f);
        }
    }

    private float VectorValue(FfnTensorRole role) => role switch
    {
        FfnTensorRole.PreNormWeight => NeutralWeight(Spec.PreNorm!),
        FfnTensorRole.BranchNormWeight => NeutralWeight(Spec.BranchNorm!),
        FfnTensorRole.PostNormWeight => NeutralWeight(Spec.PostNorm!),
        FfnTensorRole.InnerNormWeight => NeutralWeight(Spec.InnerNorm!),
        FfnTensorRole.BranchScale => 1f,
        _ => 0f,
    };

    private static float NeutralWeight(NormSpec norm) => 1f - norm.WeightOffset;

    // The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a counter in, 64 well-mixed bits out.
    private static ulong Mix(ulong counter)
    {
        ulong z = (counter + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
