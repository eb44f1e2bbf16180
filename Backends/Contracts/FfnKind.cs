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
public readonly record struct FfnKind(bool Gated, Activation Activation)
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

    private static readonly ImmutableArray<(string Name, FfnKind Kind)> NamedKinds =
    [
        ("relu", Relu), ("relu2", SquaredRelu), ("gelu", Gelu), ("gelu-tanh", GeluTanh), ("quick-gelu", QuickGelu), ("silu", Silu),
        ("swiglu", SwiGlu), ("geglu", GeGlu), ("geglu-tanh", GeGluTanh), ("reglu", ReGlu), ("glu", Glu), ("bilinear", Bilinear),
    ];

    /// <summary>The kinds that have a name of their own, in the order in which the documentation lists them.</summary>
    public static ImmutableArray<FfnKind> Named { get; } = [.. NamedKinds.Select(static named => named.Kind)];

    /// <summary>The kind's name, as the command and the configuration spell it; <c>gated-</c> and the activation where it has none.</summary>
    public string Name
    {
        get
        {
            foreach ((string name, FfnKind kind) in NamedKinds)
            {
                if (kind == this)
                {
                    return name;
                }
            }

            string activation = Activation.ToString().ToLowerInvariant();
            return Gated ? "gated-" + activation : activation;
        }
    }

    /// <summary>Finds a named kind, ignoring case.</summary>
    /// <param name="name">One of the names of <see cref="Named"/>.</param>
    /// <param name="kind">The kind found.</param>
    /// <returns>False where no kind has that name.</returns>
    public static bool TryParse([NotNullWhen(true)] string? name, out FfnKind kind)
    {
        foreach ((string candidate, FfnKind named) in NamedKinds)
        {
            if (string.Equals(candidate, name, StringComparison.OrdinalIgnoreCase))
            {
                kind = named;
                return true;
            }
        }

        kind = default;
        return false;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
