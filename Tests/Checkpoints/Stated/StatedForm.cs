using System.Collections.Immutable;

namespace NativeFfn.Tests.Checkpoints.Stated;

/// <summary>
/// A form in which checkpoints lie on disk and what they compute, as the models' own sources have it: written apart from the product's table,
/// to hold that to it. What is left out is as in LLaMA, whose d_model is 8 here and whose d_ff is 12.
/// </summary>
/// <param name="Types">The <c>model_type</c>s, with spaces between them.</param>
internal sealed record StatedForm(string Types)
{
    /// <summary>Entries of the configuration beside the widths, as <c>key=JSON</c> with spaces between them.</summary>
    public string Config { get; init; } = "";

    /// <summary>What stands before a layer's path in files that are found; a dash for nothing.</summary>
    public string Prefixes { get; init; } = "model. -";

    /// <summary>The layer's path, with <c>{i}</c> for its index.</summary>
    public string Path { get; init; } = "layers.{i}.";

    /// <summary>The layer that is written, of so many as it needs.</summary>
    public int Layer { get; init; }

    /// <summary>d_ff of a dense layer.</summary>
    public int DFf { get; init; } = 12;

    /// <summary>
    /// The projections as <c>part:module</c>. Parts are g (the activated one of a gated network), u and d; gu and ug for both in one matrix,
    /// one half after the other, g+u with rows by turns. An apostrophe: stored [in, out]. E: a stack of all experts; F: their rows one after
    /// another. A name with = before it is a tensor's whole name. <c>{e}</c> is the expert's index.
    /// </summary>
    public string Net { get; init; } = "g:mlp.gate_proj u:mlp.up_proj d:mlp.down_proj";

    /// <summary>The parts that have a bias.</summary>
    public string Biases { get; init; } = "";

    /// <summary>The key that gives every part a bias; null where there is none.</summary>
    public string? BiasKey { get; init; }

    /// <summary>
    /// The norms as <c>place:kind:module</c>. Places are pre, inner, branch and post; kinds are R (RMSNorm), L (LayerNorm), Lw (without a
    /// bias), R0 and L0 (without tensors); with <c>+c</c>, c is added to the weight. A module with a slash before it stands beside the
    /// layers.
    /// </summary>
    public string Norms { get; init; } = "pre:R:post_attention_layernorm";

    /// <summary>The activation where it is no key's; null where it is the configuration's.</summary>
    public string? Activation { get; init; }

    /// <summary>ε of the norms where it is no key's; null where it is the configuration's.</summary>
    public double? Epsilon { get; init; }

    /// <summary>What the gate is multiplied with before its activation.</summary>
    public double InputFactor { get; init; } = 1;

    /// <summary>What the network's result is multiplied with.</summary>
    public double OutputFactor { get; init; } = 1;

    /// <summary>How many deviations above the mean a gate must lie to pass; null for no sieve.</summary>
    public double? Sieve { get; init; }

    /// <summary>What the branch is multiplied with.</summary>
    public double Branch { get; init; } = 1;

    /// <summary>What the residual is multiplied with.</summary>
    public double Residual { get; init; } = 1;

    /// <summary>Whether the residual is the row after the norm.</summary>
    public bool ResidualIsNormed { get; init; }

    /// <summary>The vector that multiplies the branch; null for none.</summary>
    public string? Scale { get; init; }

    /// <summary>The number whose tanh multiplies the branch; null for none.</summary>
    public string? TanhGate { get; init; }

    /// <summary>Whether there is no block to be had.</summary>
    public bool HasNoBlock { get; init; }

    /// <summary>The numbers of xIELU; null where the activation has none.</summary>
    public bool HasXielu { get; init; }

    /// <summary>The tower that is asked for; null for none.</summary>
    public string? Tower { get; init; }

    /// <summary>The mixture of experts; null in a dense layer.</summary>
    public StatedRouter? Router { get; init; }

    /// <summary>The types one by one.</summary>
    public ImmutableArray<string> Names => [.. Types.Split(' ')];
}

/// <summary>How a form's tokens are routed: 4 experts, 2 a token, each with a d_ff of 6, unless it says otherwise.</summary>
/// <param name="Name">The router's module.</param>
/// <param name="Config">The keys of the experts' number, of top-k and of their d_ff, with spaces between them.</param>
internal sealed record StatedRouter(string Name, string Config)
{
    /// <summary>Experts that a token goes to.</summary>
    public int TopK { get; init; } = 2;

    /// <summary>Scores: softmax, sigmoid or sparsemixer.</summary>
    public string Score { get; init; } = "softmax";

    /// <summary>The tensor that biases the choice alone; null for none.</summary>
    public string? ChoiceBias { get; init; }

    /// <summary>Whether that tensor is [1, experts].</summary>
    public bool ChoiceBiasIsRow { get; init; }

    /// <summary>Whether the router adds a bias to its logits.</summary>
    public bool HasBias { get; init; }

    /// <summary>Whether the chosen weights are divided by their sum, where the key is absent.</summary>
    public bool Renormalizes { get; init; } = true;

    /// <summary>The key of that; null for none.</summary>
    public string? RenormalizesKey { get; init; }

    /// <summary>What is added to the sum.</summary>
    public double SumOffset { get; init; }

    /// <summary>What the weights are multiplied with where the key is absent.</summary>
    public double Scaling { get; init; } = 1;

    /// <summary>The key of that; null for none.</summary>
    public string? ScalingKey { get; init; }

    /// <summary>Two groups, of which one counts: null for none, else "two" or "best", and "zero" where others count as 0.</summary>
    public string? Groups { get; init; }

    /// <summary>Logits are kept within this by a tanh; 0 for no bound.</summary>
    public double Softcap { get; init; }

    /// <summary>Whether the weight multiplies what an expert is given.</summary>
    public bool WeighsInput { get; init; }

    /// <summary>A vector that is added to the sum; null for none.</summary>
    public string? OutputBias { get; init; }

    /// <summary>The shared expert's projections; null for none.</summary>
    public string? Shared { get; init; }

    /// <summary>Its d_ff.</summary>
    public int SharedDFf { get; init; } = 6;

    /// <summary>What its result is multiplied with.</summary>
    public double SharedFactor { get; init; } = 1;

    /// <summary>The module of its gate; null for none.</summary>
    public string? SharedGate { get; init; }
}
