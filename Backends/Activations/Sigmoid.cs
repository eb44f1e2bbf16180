using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = σ(x), the gate of the classic GLU (Dauphin et al. 2017).</summary>
    public static Activation Sigmoid { get; } = new SigmoidActivation();
}

internal sealed class SigmoidActivation : Activation<SigmoidOperator>
{
    public SigmoidActivation()
        : base("sigmoid", "sigmoid") => GatedName = "glu";

    /// <inheritdoc/>
    internal override string CudaFormula => "times_sigmoid(1.0f, x)";

    /// <summary>σ(x) in float64.</summary>
    public static double Of(double x) => 1 / (1 + Math.Exp(-x));

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) => Of(x);
}

/// <summary>1 / (1 + e⁻ˣ).</summary>
internal readonly struct SigmoidOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct =>
        TSimd.Divide(TSimd.Broadcast(1f), TSimd.Add(TSimd.Broadcast(1f), Exponential.Of<TSimd, TVector>(TSimd.Subtract(TSimd.Zero, x))));

    /// <summary>x · σ(y) as x / (1 + e⁻ʸ), which is 0 and not NaN where e⁻ʸ overflows for a finite x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Times<TSimd, TVector>(TVector x, TVector y)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct =>
        TSimd.Divide(x, TSimd.Add(TSimd.Broadcast(1f), Exponential.Of<TSimd, TVector>(TSimd.Subtract(TSimd.Zero, y))));
}
