namespace NativeFfn;

/// <summary>How a router turns logits into scores.</summary>
public enum RouterScoring
{
    /// <summary>s = softmax(logits) over all experts.</summary>
    Softmax,

    /// <summary>s = σ(logit), each expert's alone.</summary>
    Sigmoid,
}

/// <summary>How a mixture of experts routes its tokens. Immutable; checked by <see cref="FfnSpec.WithExperts"/>.</summary>
/// <remarks>
/// <para>For every token's row x, in float32 whatever precision the experts' weights are kept in:</para>
/// <code>
/// s      = softmax(W_router · x), or σ of each logit
/// c      = s + selection bias, where there is one
/// chosen = the TopK largest c, of all experts or of those in the TopGroups best groups; equal ones by the lower index
/// w_e    = s_e for the chosen, divided by their sum where Renormalize, times Scaling
/// y      = Σ w_e · expert_e(x) + [σ(g · x)] · shared(x)
/// </code>
/// <para>
/// A group is Experts / Groups neighbouring experts, and as good as the sum of its two largest c. Mixtral (Jiang et al. 2024) is a renormalised
/// softmax; Qwen2-MoE has a gated shared expert and renormalises only where its configuration says so; DeepSeek-V3 (2024, section 2.1.2)
/// is a renormalised sigmoid with a selection bias, groups, scaling and an ungated shared expert.
/// </para>
/// </remarks>
/// <param name="Experts">Experts; 1 to <see cref="MaxExperts"/>.</param>
/// <param name="TopK">Experts that a token is sent to; 1 to <paramref name="Experts"/>.</param>
public sealed record MixtureSpec(int Experts, int TopK)
{
    /// <summary>The most experts: several times what any network has, so that no file can ask for more than is sensible.</summary>
    public const int MaxExperts = 4096;

    /// <summary>How logits become scores.</summary>
    public RouterScoring Scoring { get; init; } = RouterScoring.Softmax;

    /// <summary>Whether the chosen experts' weights are divided by their sum.</summary>
    public bool Renormalize { get; init; } = true;

    /// <summary>Whether a bias is added to the scores for choosing, and for nothing else.</summary>
    public bool HasSelectionBias { get; init; }

    /// <summary>Groups of experts; divides <see cref="Experts"/>.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Groups whose experts may be chosen; 1 to <see cref="Groups"/>, with TopK experts in them at least.</summary>
    public int TopGroups { get; init; } = 1;

    /// <summary>What every weight is multiplied with, after all else.</summary>
    public float Scaling { get; init; } = 1;

    /// <summary>d_ff of the network that every token goes through beside its experts, of their kind; 0 for none.</summary>
    public int SharedDFf { get; init; }

    /// <summary>Whether the shared network's result is multiplied by σ(g · x).</summary>
    public bool HasSharedGate { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Experts} experts, top {TopK}" + (SharedDFf == 0 ? string.Empty : $", shared {SharedDFf}");

    // What is wrong, or null.
    internal string? Problem() =>
        Experts is < 1 or > MaxExperts ? $"A mixture has 1 to {MaxExperts} experts; {Experts} were asked for."
        : TopK < 1 || TopK > Experts ? $"A token goes to 1 to {Experts} experts of {Experts}; top-k is {TopK}."
        : !Enum.IsDefined(Scoring) ? $"There is no router scoring {(int)Scoring}."
        : Groups < 1 || Experts % Groups != 0 ? $"{Experts} experts cannot be cut into {Groups} groups of one size."
        : Groups > 1 && Experts / Groups < 2 ? $"A group is scored by its two best experts; {Groups} groups of {Experts} experts have but one each."
        : TopGroups < 1 || TopGroups > Groups ? $"Experts are chosen from 1 to {Groups} groups; top groups is {TopGroups}."
        : TopK > Experts / Groups * TopGroups ? $"{TopGroups} of {Groups} groups have {Experts / Groups * TopGroups} of {Experts} experts; top-k is {TopK}."
        : !float.IsFinite(Scaling) ? $"The scaling of a mixture must be finite; it is {Scaling}."
        : SharedDFf < 0 ? $"The shared expert's d_ff is {SharedDFf}; it must be 0 for none, or positive."
        : HasSharedGate && SharedDFf == 0 ? "There is a gate for the shared expert, but no shared expert."
        : null;
}
