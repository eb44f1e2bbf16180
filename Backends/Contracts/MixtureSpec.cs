namespace NativeFfn;

/// <summary>How a mixture of experts routes its tokens. Immutable; checked by <see cref="FfnSpec.WithExperts"/>.</summary>
/// <remarks>
/// <para>For every token's row x, in float32 whatever precision the experts' weights are kept in:</para>
/// <code>
/// z      = W_router · x [+ router bias], and k · tanh(z / k) of it where LogitSoftcap k is not 0
/// s      = softmax(z), σ(z) or √softplus(z); SparseMixer chooses and weighs in one
/// c      = s + selection bias, where there is one
/// chosen = the TopK largest c, of all experts or of those in the TopGroups best groups; equal ones by the lower index
/// w_e    = s_e for the chosen, divided by max(Σ s + RenormalizeEpsilon, SmallestSum) where Renormalize, times Scaling
/// F(x)   = Σ w_e · expert_e(x) [+ output bias] + SharedFactor · [σ(g · x)] · shared(x)
///          with expert_e(w_e · x) in the place of w_e · expert_e(x) where WeighsInput
/// </code>
/// <para>
/// A group is Experts / Groups neighbouring experts, as good as <see cref="GroupScoring"/> says. Mixtral (Jiang et al. 2024) is a
/// renormalised softmax; Qwen2-MoE has a gated shared expert and renormalises only where its configuration says so; DeepSeek-V3 (2024,
/// section 2.1.2) is a renormalised sigmoid with a selection bias, groups, scaling and an ungated shared expert.
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

    /// <summary>Whether a bias is added to the logits, as in gpt-oss.</summary>
    public bool HasRouterBias { get; init; }

    /// <summary>k: what logits are kept within by k · tanh(z / k), as in Grok; 0 for no such bound, finite and not negative.</summary>
    public float LogitSoftcap { get; init; }

    /// <summary>What <see cref="RouterScoring.SparseMixer"/> lets pass beside the largest logit, half in relative terms; finite and not negative.</summary>
    public float Jitter { get; init; } = 0.01f;

    /// <summary>Whether the chosen experts' weights are divided by their sum.</summary>
    public bool Renormalize { get; init; } = true;

    /// <summary>
    /// What is added to that sum, where scores may all have underflowed; finite and not negative. DeepSeek-V3's by default, which is lost in
    /// the rounding of any other sum.
    /// </summary>
    public float RenormalizeEpsilon { get; init; } = 1e-20f;

    /// <summary>What is divided by at least, as in ERNIE 4.5; finite and not negative.</summary>
    public float SmallestSum { get; init; }

    /// <summary>Whether a bias is added to the scores for choosing, and for nothing else.</summary>
    public bool HasSelectionBias { get; init; }

    /// <summary>Groups of experts; divides <see cref="Experts"/>.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Groups whose experts may be chosen; 1 to <see cref="Groups"/>, with TopK experts in them at least.</summary>
    public int TopGroups { get; init; } = 1;

    /// <summary>How good a group is.</summary>
    public GroupScoring GroupScoring { get; init; }

    /// <summary>
    /// Whether experts of other groups are left with c = 0, so that one of them is chosen before an expert whose own c is negative; where
    /// not, they cannot be chosen.
    /// </summary>
    public bool MasksWithZero { get; init; }

    /// <summary>What every weight is multiplied with, after all else.</summary>
    public float Scaling { get; init; } = 1;

    /// <summary>Whether a weight multiplies its expert's input row and not its result, as in Llama 4.</summary>
    public bool WeighsInput { get; init; }

    /// <summary>Whether a bias of d_model elements is added to the sum of the experts, as in JetMoE.</summary>
    public bool HasOutputBias { get; init; }

    /// <summary>d_ff of the network that every token goes through beside its experts, of their kind; 0 for none.</summary>
    public int SharedDFf { get; init; }

    /// <summary>Whether the shared network's result is multiplied by σ(g · x).</summary>
    public bool HasSharedGate { get; init; }

    /// <summary>What the shared network's result is multiplied with; finite.</summary>
    public float SharedFactor { get; init; } = 1;

    /// <summary>The first expert that is here; the others' results are left out of the sum, for other ranks to add.</summary>
    internal int FirstOwnExpert { get; init; }

    /// <summary>Experts that are here, of which there is one at least.</summary>
    internal int OwnExperts { get => field == 0 ? Experts : field; init; }

    /// <summary>Whether some expert's weights are elsewhere.</summary>
    internal bool IsPart => OwnExperts < Experts;

    /// <summary>Whether an expert is here.</summary>
    internal bool Owns(int expert) => (uint)(expert - FirstOwnExpert) < (uint)OwnExperts;

    /// <summary>Whether the shared network's result is multiplied with something.</summary>
    internal bool WeighsShared => SharedDFf > 0 && (HasSharedGate || SharedFactor != 1);

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Experts} experts, top {TopK}" + (SharedDFf == 0 ? string.Empty : $", shared {SharedDFf}");

    // What is wrong, or null.
    internal string? Problem() =>
        Experts is < 1 or > MaxExperts ? $"A mixture has 1 to {MaxExperts} experts; {Experts} were asked for."
        : TopK < 1 || TopK > Experts ? $"A token goes to 1 to {Experts} experts of {Experts}; top-k is {TopK}."
        : !Enum.IsDefined(Scoring) ? $"There is no router scoring {(int)Scoring}."
        : ProblemOfGroups() ?? ProblemOfNumbers()
        ?? (SharedDFf < 0 ? $"The shared expert's d_ff is {SharedDFf}; it must be 0 for none, or positive."
        : HasSharedGate && SharedDFf == 0 ? "There is a gate for the shared expert, but no shared expert."
        : null);

    private string? ProblemOfGroups() =>
        Groups < 1 || Experts % Groups != 0 ? $"{Experts} experts cannot be cut into {Groups} groups of one size."
        : !Enum.IsDefined(GroupScoring) ? $"There is no group scoring {(int)GroupScoring}."
        : Groups > 1 && GroupScoring == GroupScoring.SumOfTwoBest && Experts / Groups < 2
            ? $"A group is scored by its two best experts; {Groups} groups of {Experts} experts have but one each."
        : TopGroups < 1 || TopGroups > Groups ? $"Experts are chosen from 1 to {Groups} groups; top groups is {TopGroups}."
        : TopK > Experts / Groups * TopGroups ? $"{TopGroups} of {Groups} groups have {Experts / Groups * TopGroups} of {Experts} experts; top-k is {TopK}."
        : Scoring == RouterScoring.SparseMixer && (Groups > 1 || HasSelectionBias)
            ? "A sparse mixer chooses by logits alone. Leave groups and the selection bias out."
        : null;

    private string? ProblemOfNumbers() =>
        !float.IsFinite(Scaling) ? $"The scaling of a mixture must be finite; it is {Scaling}."
        : !float.IsFinite(SharedFactor) ? $"The factor of a shared expert must be finite; it is {SharedFactor}."
        : !IsSize(LogitSoftcap) ? $"The softcap of logits must be finite and not negative; it is {LogitSoftcap}."
        : !IsSize(Jitter) ? $"The jitter of a mixture must be finite and not negative; it is {Jitter}."
        : !IsSize(RenormalizeEpsilon) ? $"What is added to a sum of weights must be finite and not negative; it is {RenormalizeEpsilon}."
        : !IsSize(SmallestSum) ? $"The smallest sum of weights must be finite and not negative; it is {SmallestSum}."
        : null;

    private static bool IsSize(float number) => float.IsFinite(number) && number >= 0;
}
