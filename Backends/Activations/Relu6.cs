using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = min(max(0, x), 6).</summary>
    public static Activation Relu6 { get; } = new Relu6Activation();
}

internal sealed class Relu6Activation : Activation<Relu6Operator>
{
    public Relu6Activation()
        : base("relu6", "relu6")
    {
    }

    /// <inheritdoc/>
    internal override string CudaFormula => "at_most(relu(x), 6.0f)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) => double.IsNaN(x) ? x : Math.Clamp(x, 0, 6);
}

/// <summary>min(max(0, x), 6); NaN stays NaN because nothing is less than it.</summary>
internal readonly struct Relu6Operator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector positive = ReluOperator.Apply<TSimd, TVector>(x, parameters);
        TVector six = TSimd.Broadcast(6f);
        return TSimd.SelectLess(six, positive, six, positive);
    }
}
