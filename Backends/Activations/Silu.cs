using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = x · σ(x), also called swish.</summary>
    public static Activation Silu { get; } = new SiluActivation();
}

internal sealed class SiluActivation : Activation<SiluOperator>
{
    public SiluActivation()
        : base("silu", "silu", "swish") => GatedName = "swiglu";

    /// <inheritdoc/>
    internal override string CudaFormula => "times_sigmoid(x, x)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) => x * SigmoidActivation.Of(x);
}

/// <summary>x · σ(x).</summary>
internal readonly struct SiluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => SigmoidOperator.Times<TSimd, TVector>(x, x);
}
