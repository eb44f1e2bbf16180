using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace NativeFfn;

/// <summary>What one stage of a feed-forward layer computes: an activation, with or without a gate.</summary>
/// <remarks>
/// Plain: <c>act(W · x + b)</c>. Gated: <c>act(W_gate · x + b_gate) ⊙ (W_up · x + b_up)</c>; the activation is always on the gate
/// (Shazeer 2020, "GLU Variants Improve Transformer").
/// </remarks>
/// <param name="Gated">Whether a second, linear projection multiplies the activated one.</param>
/// <param name="Activation">The activation.</param>
/// <param name="Parameters">Numbers in the activation's formula; null for its own.</param>
public readonly record struct FfnKind(bool Gated, Activation Activation, ActivationParameters? Parameters = null)
{
    /// <summary>Plain, no activation: W · x + b.</summary>
    public static FfnKind Linear => new(false, Activation.Identity);

    /// <summary>Plain with ReLU.</summary>
    public static FfnKind Relu => new(false, Activation.Relu);

    /// <summary>Plain with squared ReLU.</summary>
    public static FfnKind SquaredRelu => new(false, Activation.SquaredRelu);

    /// <summary>Plain with exact GELU.</summary>
    public static FfnKind Gelu => new(false, Activation.Gelu);

    /// <summary>Plain with tanh GELU.</summary>
    public static FfnKind GeluTanh => new(false, Activation.GeluTanh);

    /// <summary>Plain with x · σ(1.702x).</summary>
    public static FfnKind QuickGelu => new(false, Activation.QuickGelu);

    /// <summary>Plain with SiLU.</summary>
    public static FfnKind Silu => new(false, Activation.Silu);

    /// <summary>Gated with SiLU, as in LLaMA.</summary>
    public static FfnKind SwiGlu => new(true, Activation.Silu);

    /// <summary>Gated with exact GELU.</summary>
    public static FfnKind GeGlu => new(true, Activation.Gelu);

    /// <summary>Gated with tanh GELU, as in Gemma and T5 v1.1.</summary>
    public static FfnKind GeGluTanh => new(true, Activation.GeluTanh);

    /// <summary>Gated with ReLU.</summary>
    public static FfnKind ReGlu => new(true, Activation.Relu);

    /// <summary>Gated with the logistic function: the classic GLU.</summary>
    public static FfnKind Glu => new(true, Activation.Sigmoid);

    /// <summary>Gated without an activation: (W_gate · x) ⊙ (W_up · x).</summary>
    public static FfnKind Bilinear => new(true, Activation.Identity);

    /// <summary>The kinds that have a name of their own, plain ones first: each activation's, and its gated one's where that has a name.</summary>
    public static ImmutableArray<FfnKind> Named { get; } =
    [
        .. Activation.All.Select(static activation => new FfnKind(false, activation)),
        .. Activation.All.Where(static activation => activation.GatedName is not null).Select(static activation => new FfnKind(true, activation)),
    ];

    /// <summary>The kind's name, as the command and the configuration spell it; <c>gated-</c> and the activation where it has none.</summary>
    public string Name => !Gated ? Activation.Name : Activation.GatedName ?? "gated-" + Activation.Name;

    internal ActivationParameters KnownParameters => Parameters ?? Activation.DefaultParameters;

    /// <summary>Finds a named kind, ignoring case.</summary>
    /// <param name="name">One of the names of <see cref="Named"/>.</param>
    /// <param name="kind">The kind found.</param>
    /// <returns>False where no kind has that name.</returns>
    public static bool TryParse([NotNullWhen(true)] string? name, out FfnKind kind)
    {
        kind = Named.FirstOrDefault(named => string.Equals(named.Name, name, StringComparison.OrdinalIgnoreCase));
        return kind.Activation is not null;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
