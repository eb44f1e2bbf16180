namespace NativeFfn;

/// <summary>How a router turns logits z into scores s.</summary>
public enum RouterScoring
{
    /// <summary>s = softmax(z) over all experts.</summary>
    Softmax,

    /// <summary>s = σ(z), each expert's alone.</summary>
    Sigmoid,

    /// <summary>s = √(ln(1 + eᶻ)), each expert's alone, as in DeepSeek-V4.</summary>
    SqrtSoftplus,

    /// <summary>
    /// PhiMoE's choice of one expert after the other: the largest z that is left, weighed by its softmax over those left j whose
    /// (max − z_j) / max(|z_j|, max) is at most twice <see cref="MixtureSpec.Jitter"/>. Without selection bias and groups.
    /// </summary>
    SparseMixer,
}

/// <summary>How good a group of experts is, of the scores for choosing c of its experts.</summary>
public enum GroupScoring
{
    /// <summary>The sum of the two largest, as in DeepSeek-V3.</summary>
    SumOfTwoBest,

    /// <summary>The largest, as in DeepSeek-V2.</summary>
    Best,
}
