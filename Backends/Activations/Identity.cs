using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = x.</summary>
    public static Activation Identity { get; } = new IdentityActivation();
}

internal sealed class IdentityActivation : Activation<IdentityOperator>
{
    public IdentityActivation()
        : base("identity", "linear") => GatedName = "bilinear";

    /// <inheritdoc/>
    internal override string CudaFormula => "x";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) => x;
}

/// <summary>x.</summary>
internal readonly struct IdentityOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => x;
}
