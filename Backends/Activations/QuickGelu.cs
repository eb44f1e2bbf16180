using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = x · σ(1.702x).</summary>
    public static Activation QuickGelu { get; } = new QuickGeluActivation();
}

internal sealed class QuickGeluActivation : Activation<QuickGeluOperator>
{
    public QuickGeluActivation()
        : base("quick-gelu", "quick_gelu")
    {
    }

    /// <inheritdoc/>
    internal override string CudaFormula => "times_sigmoid(x, 1.702f * x)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) => x * SigmoidActivation.Of(1.702 * x);
}

/// <summary>x · σ(1.702x).</summary>
internal readonly struct QuickGeluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => SigmoidOperator.Times<TSimd, TVector>(x, TSimd.Multiply(TSimd.Broadcast(1.702f), x));
}
