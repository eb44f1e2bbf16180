using System.Collections.Immutable;
using NativeFfn.Backends.Activations;

namespace NativeFfn;

/// <summary>The element-wise function between a layer's projections. Immutable; one instance of each, listed in <see cref="All"/>.</summary>
/// <remarks>
/// In the formulas σ is the logistic function 1 / (1 + e⁻ˣ). A file of this folder holds all there is to know of one activation: its names,
/// its float64 formula, its SIMD form and its CUDA C.
/// </remarks>
public abstract partial class Activation
{
    private protected Activation(string name, params ImmutableArray<string> configNames)
    {
        Name = name;
        ConfigNames = configNames;
    }

    /// <summary>Every activation.</summary>
    public static ImmutableArray<Activation> All => Activations.All;

    /// <summary>The activation's name, which is also that of the plain layer that has it.</summary>
    public string Name { get; }

    /// <summary>Spellings in checkpoints' configurations, the usual one first.</summary>
    internal ImmutableArray<string> ConfigNames { get; }

    /// <summary>The name of the gated layer that has it; null where it has none of its own.</summary>
    internal string? GatedName { get; private protected init; }

    /// <summary>The parameters of a kind that names none.</summary>
    internal ActivationParameters DefaultParameters { get; private protected init; } = new();

    /// <summary>The activation in CUDA C: a float expression in <c>x</c> and <c>parameters</c>.</summary>
    internal abstract string CudaFormula { get; }

    /// <summary>What a gated stage makes of it in CUDA C: a float expression in <c>y</c>, the activated gate, <c>up</c> and <c>parameters</c>.</summary>
    internal virtual string CudaGateFormula => "y * up";

    /// <summary>Finds an activation by its name, ignoring case.</summary>
    /// <param name="name">A name.</param>
    /// <param name="activation">The activation found.</param>
    /// <returns>False where none has that name.</returns>
    public static bool TryParse(string? name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Activation? activation)
    {
        activation = All.FirstOrDefault(candidate => string.Equals(candidate.Name, name, StringComparison.OrdinalIgnoreCase));
        return activation is not null;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>The activation of a spelling in a checkpoint's configuration, or null.</summary>
    internal static Activation? OfConfig(string name) => All.FirstOrDefault(activation => activation.ConfigNames.Contains(name));

    /// <summary>The activation's value in float64, written from its formula.</summary>
    /// <param name="x">The projection, its bias included.</param>
    /// <param name="parameters">The kind's parameters.</param>
    internal abstract double Apply(double x, ActivationParameters parameters);

    /// <summary>What a gated stage makes of it in float64.</summary>
    /// <param name="gate">The activated gate.</param>
    /// <param name="up">The up projection, its bias included.</param>
    /// <param name="parameters">The kind's parameters.</param>
    internal virtual double Gate(double gate, double up, ActivationParameters parameters) => gate * up;

    /// <summary>hidden = act(hidden + bias), in place.</summary>
    /// <param name="hidden">The row, <paramref name="count"/> elements.</param>
    /// <param name="bias">As many elements, or null.</param>
    /// <param name="count">Elements.</param>
    /// <param name="parameters">The kind's parameters.</param>
    internal abstract unsafe void Plain(float* hidden, float* bias, int count, ActivationParameters parameters);

    /// <summary>gate = act(gate + gateBias) ⊙ (up + upBias), or what the activation makes of the two, in place.</summary>
    /// <param name="gate">The gate's row, <paramref name="count"/> elements; receives the result.</param>
    /// <param name="gateBias">As many elements, or null.</param>
    /// <param name="up">As many elements; read only.</param>
    /// <param name="upBias">As many elements, or null.</param>
    /// <param name="count">Elements.</param>
    /// <param name="parameters">The kind's parameters.</param>
    internal abstract unsafe void Gated(float* gate, float* gateBias, float* up, float* upBias, int count, ActivationParameters parameters);
}

/// <summary>An activation with its SIMD form.</summary>
/// <typeparam name="TOperator">The formula for vectors.</typeparam>
internal abstract class Activation<TOperator> : Activation
    where TOperator : struct, IActivationOperator
{
    private protected Activation(string name, params ImmutableArray<string> configNames)
        : base(name, configNames)
    {
    }

    /// <inheritdoc/>
    internal sealed override unsafe void Plain(float* hidden, float* bias, int count, ActivationParameters parameters) =>
        ActivationWalk.Plain<TOperator>(hidden, bias, count, parameters);

    /// <inheritdoc/>
    internal sealed override unsafe void Gated(
        float* gate, float* gateBias, float* up, float* upBias, int count, ActivationParameters parameters) =>
        ActivationWalk.Gated<TOperator>(gate, gateBias, up, upBias, count, parameters);
}
