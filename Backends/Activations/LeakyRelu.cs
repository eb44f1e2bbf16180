using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = x where x is positive, 0.01x elsewhere (Maas, Hannun and Ng 2013).</summary>
    public static Activation LeakyRelu { get; } = new LeakyReluActivation();
}

internal sealed class LeakyReluActivation : Activation<LeakyReluOperator>
{
    public LeakyReluActivation()
        : base("leaky-relu", "leaky_relu")
    {
    }

    /// <inheritdoc/>
    internal override string CudaFormula => "x < 0.0f ? 0.01f * x : x";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) => x < 0 ? 0.01 * x : x;
}

/// <summary>x, or 0.01x where that is negative.</summary>
internal readonly struct LeakyReluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        return TSimd.SelectLess(x, TSimd.Zero, TSimd.Multiply(TSimd.Broadcast(0.01f), x), x);
    }
}
