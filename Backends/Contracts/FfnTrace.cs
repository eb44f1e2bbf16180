using System.Collections.Immutable;

namespace NativeFfn;

/// <summary>What one hidden stage computed during a traced forward; every array is row-major <c>[tokens, Width]</c>.</summary>
public sealed class FfnStageTrace
{
    internal FfnStageTrace(FfnStage stage, int tokens, bool isNormed)
    {
        int elements = checked(tokens * stage.Width);
        Stage = stage;
        PreActivation = new float[elements];
        Activation = new float[elements];
        Up = stage.Kind.Gated ? new float[elements] : null;
        Hidden = stage.Kind.Gated || isNormed ? new float[elements] : Activation;
    }

    /// <summary>The stage.</summary>
    public FfnStage Stage { get; }

    /// <summary>W · x + b, before the activation: the gate's projection in a gated stage.</summary>
    public float[] PreActivation { get; }

    /// <summary>act(pre-activation), through the sieve and the factor of <see cref="ActivationParameters"/> where they count, before the gate multiplies.</summary>
    public float[] Activation { get; }

    /// <summary>W_up · x + b_up of a gated stage; null in a plain one.</summary>
    public float[]? Up { get; }

    /// <summary>What the next stage received: activation ⊙ up in a gated stage, the activation itself in a plain one; after the inner norm where there is one.</summary>
    public float[] Hidden { get; }
}

/// <summary>
/// Where a mixture sent each token during a traced forward: <c>[tokens, TopK]</c> of the chosen experts, best first, and
/// <c>[tokens, Experts]</c> of what they were chosen by, all row-major.
/// </summary>
public sealed class FfnRoutingTrace
{
    internal FfnRoutingTrace(MixtureSpec mixture, int tokens)
    {
        int elements = checked(tokens * mixture.TopK);
        Mixture = mixture;
        Experts = new int[elements];
        Weights = new float[elements];
        Scores = new float[checked(tokens * mixture.Experts)];
    }

    /// <summary>The mixture.</summary>
    public MixtureSpec Mixture { get; }

    /// <summary>The chosen experts.</summary>
    public int[] Experts { get; }

    /// <summary>What each one's result, or its input, was multiplied with.</summary>
    public float[] Weights { get; }

    /// <summary>
    /// The router's scores of all experts, s in the formula of <see cref="MixtureSpec"/>, without the selection bias; the logits z of
    /// <see cref="RouterScoring.SparseMixer"/>, which has no scores.
    /// </summary>
    public float[] Scores { get; }

    // One token, as the router chose.
    internal void Set(int token, ReadOnlySpan<float> scores, ReadOnlySpan<int> experts, ReadOnlySpan<float> weights)
    {
        scores.CopyTo(Scores.AsSpan(token * Mixture.Experts));
        experts.CopyTo(Experts.AsSpan(token * Mixture.TopK));
        weights.CopyTo(Weights.AsSpan(token * Mixture.TopK));
    }
}

/// <summary>
/// The inner values of one forward, kept for looking at. Allocated by the caller, filled by a traced forward, and reusable for forwards
/// of the same layer and token count, one at a time.
/// </summary>
public sealed class FfnTrace
{
    /// <summary>Makes room for a trace.</summary>
    /// <param name="spec">The layer.</param>
    /// <param name="tokens">Rows of the forward to come.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="tokens"/> is negative.</exception>
    /// <exception cref="OverflowException">A traced array would have more than 2³¹ − 1 elements; trace fewer tokens.</exception>
    public FfnTrace(FfnSpec spec, int tokens)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        Spec = spec;
        Tokens = tokens;
        Normalized = spec.PreNorm is null ? null : new float[checked(tokens * spec.InputWidth)];
        HiddenStages = spec.Mixture is null ? [.. spec.Stages[..^1].Select(stage => new FfnStageTrace(stage, tokens, spec.InnerNorm is not null))] : [];
        Routing = spec.Mixture is { } mixture ? new FfnRoutingTrace(mixture, tokens) : null;
    }

    /// <summary>The layer this trace has room for.</summary>
    public FfnSpec Spec { get; }

    /// <summary>Rows.</summary>
    public int Tokens { get; }

    /// <summary>The first stage's input after the block's norm, row-major <c>[tokens, d_model]</c>; null where the layer has no such norm,
    /// and left as it was by a forward that is not in <see cref="FfnMode.Block"/>.</summary>
    public float[]? Normalized { get; }

    /// <summary>The routing of a mixture; null where the layer is none.</summary>
    public FfnRoutingTrace? Routing { get; }

    /// <summary>Every stage but the last, whose result is the forward's output; none in a mixture, where tokens part ways.</summary>
    public ImmutableArray<FfnStageTrace> HiddenStages { get; }
}
