using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))), GELU's tanh form; it differs from the exact one by up to 5e-4.</summary>
    public static Activation GeluTanh { get; } = new GeluTanhActivation();
}

internal sealed class GeluTanhActivation : Activation<GeluTanhOperator>
{
    public GeluTanhActivation()
        : base("gelu-tanh", "gelu_pytorch_tanh", "gelu_new", "gelu_fast", "gelu_accurate", "gelu_python_tanh") => GatedName = "geglu-tanh";

    /// <inheritdoc/>
    internal override string CudaFormula => "gelu_tanh(x)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));
}

/// <summary>0.5x(1 + tanh(√(2/π)(x + 0.044715x³))), as x · σ(2u), because 0.5(1 + tanh u) = σ(2u).</summary>
internal readonly struct GeluTanhOperator : IActivationOperator
{
    private const float TwoRootTwoOverPi = 1.5957691216057308f;
    private const float Cubic = 0.044715f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector square = TSimd.Multiply(x, x);
        TVector bracket = TSimd.MultiplyAdd(TSimd.Broadcast(Cubic), square, TSimd.Broadcast(1f));
        TVector twoU = TSimd.Multiply(TSimd.Multiply(TSimd.Broadcast(TwoRootTwoOverPi), x), bracket);
        return SigmoidOperator.Times<TSimd, TVector>(x, twoU);
    }
}
