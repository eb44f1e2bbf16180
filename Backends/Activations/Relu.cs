using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = max(0, x).</summary>
    public static Activation Relu { get; } = new ReluActivation();
}

internal sealed class ReluActivation : Activation<ReluOperator>
{
    public ReluActivation()
        : base("relu", "relu") => GatedName = "reglu";

    /// <inheritdoc/>
    internal override string CudaFormula => "relu(x)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) => x > 0 || double.IsNaN(x) ? x : 0;
}

/// <summary>max(0, x); NaN stays NaN because it is not less than 0.</summary>
internal readonly struct ReluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => TSimd.SelectLess(x, TSimd.Zero, TSimd.Zero, x);
}
