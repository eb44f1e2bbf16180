using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = min(x · Φ(x), 10), the exact GELU clipped to ±10, below which it never comes.</summary>
    public static Activation Gelu10 { get; } = new Gelu10Activation();
}

internal sealed class Gelu10Activation : Activation<Gelu10Operator>
{
    public Gelu10Activation()
        : base("gelu-10", "gelu_10")
    {
    }

    /// <inheritdoc/>
    internal override string CudaFormula => "at_most(x * normcdff(x), 10.0f)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters)
    {
        double y = Activation.Gelu.Apply(x, parameters);
        return y > 10 ? 10 : y;
    }
}

/// <summary>min(x · Φ(x), 10); NaN stays NaN because 10 is not less than it.</summary>
internal readonly struct Gelu10Operator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector y = GeluOperator.Apply<TSimd, TVector>(x, parameters);
        TVector most = TSimd.Broadcast(10f);
        return TSimd.SelectLess(most, y, most, y);
    }
}
