namespace NativeFfn;

/// <summary>The weights of a transformer's feed-forward network, handed over as spans and copied by the layer that is made of them.</summary>
/// <remarks>
/// Matrices are row-major as <c>nn.Linear</c> stores them: <see cref="Gate"/> and <see cref="Up"/> are <c>[d_ff, d_model]</c>,
/// <see cref="Down"/> is <c>[d_model, d_ff]</c>. A gated layer needs all three, the activation being on the gate; a plain layer
/// <c>W2 · act(W1 · x + b1) + b2</c> needs <see cref="Up"/> (W1) and <see cref="Down"/> (W2). Leave the rest empty.
/// </remarks>
/// <example>
/// <code>
/// using FfnEngine engine = FfnEngine.Create();
/// FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, dModel, dFf);
/// using FfnLayer layer = engine.CreateLayer(spec, new FfnWeights { Gate = gate, Up = up, Down = down });
/// layer.ForwardResidual(x, x, x);           // in place: x += FFN(x)
/// </code>
/// </example>
public readonly ref struct FfnWeights
{
    /// <summary>W_gate, <c>[d_ff, d_model]</c>; empty in a plain layer.</summary>
    public ReadOnlySpan<float> Gate { get; init; }

    /// <summary>W_up (W1 of a plain layer), <c>[d_ff, d_model]</c>.</summary>
    public ReadOnlySpan<float> Up { get; init; }

    /// <summary>W_down (W2 of a plain layer), <c>[d_model, d_ff]</c>.</summary>
    public ReadOnlySpan<float> Down { get; init; }

    /// <summary>b_gate, <c>[d_ff]</c>, of a gated layer with biases.</summary>
    public ReadOnlySpan<float> GateBias { get; init; }

    /// <summary>b_up (b1 of a plain layer), <c>[d_ff]</c>, of a layer with biases.</summary>
    public ReadOnlySpan<float> UpBias { get; init; }

    /// <summary>b_down (b2 of a plain layer), <c>[d_model]</c>, of a layer with biases.</summary>
    public ReadOnlySpan<float> DownBias { get; init; }

    /// <summary>Weight of the norm before the network, <c>[d_model]</c>.</summary>
    public ReadOnlySpan<float> PreNorm { get; init; }

    /// <summary>Bias of the norm before the network, <c>[d_model]</c>.</summary>
    public ReadOnlySpan<float> PreNormBias { get; init; }

    /// <summary>Weight of the norm on the network's result, <c>[d_model]</c>.</summary>
    public ReadOnlySpan<float> BranchNorm { get; init; }

    /// <summary>Bias of the norm on the network's result, <c>[d_model]</c>.</summary>
    public ReadOnlySpan<float> BranchNormBias { get; init; }

    /// <summary>Weight of the norm after the residual, <c>[d_model]</c>.</summary>
    public ReadOnlySpan<float> PostNorm { get; init; }

    /// <summary>Bias of the norm after the residual, <c>[d_model]</c>.</summary>
    public ReadOnlySpan<float> PostNormBias { get; init; }

    // A source is an object, which cannot hold spans: the spans are pinned for as long as the callback runs.
    internal unsafe TResult Use<TState, TResult>(FfnSpec spec, TState state, Func<FfnSpec, TState, IFfnWeightSource, TResult> use)
    {
        if (!spec.IsFeedForward || spec.Mixture is not null)
        {
            throw new ArgumentException($"{spec} is no single transformer network with gate, up and down; use {nameof(FfnMemoryWeights)}.", nameof(spec));
        }

        var source = new PinnedWeightSource();
        fixed (float* gate = Gate, up = Up, down = Down, gateBias = GateBias, upBias = UpBias, downBias = DownBias)
        fixed (float* pre = PreNorm, preBias = PreNormBias, branch = BranchNorm, branchBias = BranchNormBias)
        fixed (float* post = PostNorm, postBias = PostNormBias)
        {
            source.Add("gate.weight", gate, Gate.Length);
            source.Add("up.weight", up, Up.Length);
            source.Add("down.weight", down, Down.Length);
            source.Add("gate.bias", gateBias, GateBias.Length);
            source.Add("up.bias", upBias, UpBias.Length);
            source.Add("down.bias", downBias, DownBias.Length);
            source.Add("pre_norm.weight", pre, PreNorm.Length);
            source.Add("pre_norm.bias", preBias, PreNormBias.Length);
            source.Add("branch_norm.weight", branch, BranchNorm.Length);
            source.Add("branch_norm.bias", branchBias, BranchNormBias.Length);
            source.Add("post_norm.weight", post, PostNorm.Length);
            source.Add("post_norm.bias", postBias, PostNormBias.Length);
            WeightChecks.RequireExactly(spec, source.Lengths);
            return use(spec, state, source);
        }
    }

    private sealed unsafe class PinnedWeightSource : IFfnWeightSource
    {
        private readonly Dictionary<string, nint> _pointers = [];

        public Dictionary<string, long> Lengths { get; } = [];

        public void Add(string name, float* pointer, int length)
        {
            if (length > 0)
            {
                _pointers.Add(name, (nint)pointer);
                Lengths.Add(name, length);
            }
        }

        public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination) =>
            new ReadOnlySpan<float>((float*)_pointers[tensor.Name] + ((long)firstRow * tensor.Columns), destination.Length).CopyTo(destination);
    }
}
