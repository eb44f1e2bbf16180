using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = x · tanh(ln(1 + eˣ)) (Misra 2019).</summary>
    public static Activation Mish { get; } = new MishActivation();
}

internal sealed class MishActivation : Activation<MishOperator>
{
    public MishActivation()
        : base("mish", "mish")
    {
    }

    /// <inheritdoc/>
    internal override string CudaFormula => "mish(x)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters)
    {
        double e = Math.Exp(Math.Min(x, 350));
        double w = e * (e + 2);
        return x * (w / (w + 2));
    }
}

/// <summary>x · w / (w + 2) with w = eˣ(eˣ + 2), because tanh(ln(1 + e)) = ((1 + e)² − 1) / ((1 + e)² + 1).</summary>
internal readonly struct MishOperator : IActivationOperator
{
    // Beyond it the factor rounds to 1, and before e² overflows.
    private const float Most = 30;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector most = TSimd.Broadcast(Most);
        TVector e = Exponential.Of<TSimd, TVector>(TSimd.SelectLess(most, x, most, x));
        TVector w = TSimd.Multiply(e, TSimd.Add(e, TSimd.Broadcast(2f)));
        return TSimd.Multiply(x, TSimd.Divide(w, TSimd.Add(w, TSimd.Broadcast(2f))));
    }
}
