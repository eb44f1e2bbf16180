using System.Runtime.CompilerServices;
using NativeFfn.Backends.Activations;
using NativeFfn.Backends.Simd;

namespace NativeFfn;

public abstract partial class Activation
{
    /// <summary>f(x) = tanh(x).</summary>
    public static Activation Tanh { get; } = new TanhActivation();
}

internal sealed class TanhActivation : Activation<TanhOperator>
{
    public TanhActivation()
        : base("tanh", "tanh")
    {
    }

    /// <inheritdoc/>
    internal override string CudaFormula => "tanhf(x)";

    /// <inheritdoc/>
    internal override double Apply(double x, ActivationParameters parameters) => Math.Tanh(x);
}

/// <summary>tanh(x) = E / (E + 2) with E = e²ˣ − 1 for positive x, and −tanh(−x) for others: no cancellation next to 0.</summary>
internal readonly struct TanhOperator : IActivationOperator
{
    // Beyond it the result rounds to 1.
    private const float Most = 10;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x, ActivationParameters parameters)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector size = TSimd.Clamp(TSimd.Abs(x), TSimd.Zero, TSimd.Broadcast(Most));
        TVector e = Exponential.MinusOne<TSimd, TVector>(TSimd.Add(size, size));
        TVector y = TSimd.Divide(e, TSimd.Add(e, TSimd.Broadcast(2f)));
        return TSimd.KeepNaN(TSimd.SelectLess(x, TSimd.Zero, TSimd.Subtract(TSimd.Zero, y), y), x);
    }
}
