using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>
    /// f(x) = a⁺x² + βx where x is positive, a⁻(e^min(x, ε) − 1 − x) + βx elsewhere (Huang and Schlag 2024), with the numbers of
    /// <see cref="ActivationParameters"/>.
    /// </summary>
    public static Activation Xielu { get; } = new XieluActivation();
}

internal sealed class XieluActivation : Activation<XieluOperator>
{
    public XieluActivation()
        : base("xielu", "xielu")
    {
    }

    /// <inheritdoc/>
    internal override string CudaFormula => "xielu(x, parameters)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters)
    {
        double curve = x > 0
            ? parameters.PositiveAlpha * x * x
            : parameters.NegativeAlpha * (Exponential.MinusOne(Math.Min(x, parameters.Epsilon)) - x);
        return curve + (parameters.Beta * x);
    }
}

/// <summary>a⁺x² + βx, or a⁻(e^min(x, ε) − 1 − x) + βx.</summary>
internal readonly struct XieluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector epsilon = TSimd.Broadcast(parameters.Epsilon);
        TVector exponential = Exponential.MinusOne<TSimd, TVector>(TSimd.SelectLess(x, epsilon, x, epsilon));
        TVector below = TSimd.Multiply(TSimd.Broadcast(parameters.NegativeAlpha), TSimd.Subtract(exponential, x));
        TVector above = TSimd.Multiply(TSimd.Multiply(TSimd.Broadcast(parameters.PositiveAlpha), x), x);
        return TSimd.MultiplyAdd(TSimd.Broadcast(parameters.Beta), x, TSimd.SelectLess(TSimd.Zero, x, above, below));
    }
}
