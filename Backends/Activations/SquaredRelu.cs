using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = max(0, x)² (So et al. 2021, "Primer").</summary>
    public static Activation SquaredRelu { get; } = new SquaredReluActivation();
}

internal sealed class SquaredReluActivation : Activation<SquaredReluOperator>
{
    public SquaredReluActivation()
        : base("relu2", "relu2", "relu_squared", "squared_relu")
    {
    }

    /// <inheritdoc/>
    internal override string CudaFormula => "relu(x) * relu(x)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) => x > 0 || double.IsNaN(x) ? x * x : 0;
}

/// <summary>max(0, x)².</summary>
internal readonly struct SquaredReluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector positive = ReluOperator.Apply<TSimd, TVector>(x, parameters);
        return TSimd.Multiply(positive, positive);
    }
}
