using System.Runtime.CompilerServices;
using NativeFfn.Backends.Cpu.Simd;

namespace NativeFfn.Backends.Cpu.Kernels;

/// <summary>An activation's formula, for vectors of any width.</summary>
internal interface IActivationOperator
{
    static abstract TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;
}

/// <summary>x.</summary>
internal readonly struct IdentityOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => x;
}

/// <summary>max(0, x); NaN stays NaN because it is not less than 0.</summary>
internal readonly struct ReluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => TSimd.SelectLess(x, TSimd.Zero, TSimd.Zero, x);
}

/// <summary>max(0, x)².</summary>
internal readonly struct SquaredReluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector positive = ReluOperator.Apply<TSimd, TVector>(x);
        return TSimd.Multiply(positive, positive);
    }
}

/// <summary>1 / (1 + e⁻ˣ).</summary>
internal readonly struct SigmoidOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct =>
        TSimd.Divide(TSimd.Broadcast(1f), TSimd.Add(TSimd.Broadcast(1f), Exponential.Of<TSimd, TVector>(TSimd.Subtract(TSimd.Zero, x))));

    /// <summary>x · σ(y) as x / (1 + e⁻ʸ), which is 0 and not NaN where e⁻ʸ overflows for a finite x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gate<TSimd, TVector>(TVector x, TVector y)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct =>
        TSimd.Divide(x, TSimd.Add(TSimd.Broadcast(1f), Exponential.Of<TSimd, TVector>(TSimd.Subtract(TSimd.Zero, y))));
}

/// <summary>x · σ(x).</summary>
internal readonly struct SiluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => SigmoidOperator.Gate<TSimd, TVector>(x, x);
}

/// <summary>x · σ(1.702x).</summary>
internal readonly struct QuickGeluOperator : IActivationOperator
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => SigmoidOperator.Gate<TSimd, TVector>(x, TSimd.Multiply(TSimd.Broadcast(1.702f), x));
}

/// <summary>0.5x(1 + tanh(√(2/π)(x + 0.044715x³))), as x · σ(2u), because 0.5(1 + tanh u) = σ(2u).</summary>
internal readonly struct GeluTanhOperator : IActivationOperator
{
    private const float TwoRootTwoOverPi = 1.5957691216057308f;
    private const float Cubic = 0.044715f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector square = TSimd.Multiply(x, x);
        TVector bracket = TSimd.MultiplyAdd(TSimd.Broadcast(Cubic), square, TSimd.Broadcast(1f));
        TVector twoU = TSimd.Multiply(TSimd.Multiply(TSimd.Broadcast(TwoRootTwoOverPi), x), bracket);
        return SigmoidOperator.Gate<TSimd, TVector>(x, twoU);
    }
}

/// <summary>x · Φ(x), with Φ(x) = ½erfc(−x/√2).</summary>
/// <remarks>
/// For z = |x|/√2 and t = 1 / (1 + z/2), erfc(z) = t · exp(−z² + P(t)); P interpolates ln(erfc(z)/t) + z² at the Chebyshev nodes of
/// t in [0.13, 1], which z in [0, 13] maps to, within 8e-8. The form keeps erfc's relative accuracy in its tail, where 1 − erf has none.
/// </remarks>
internal readonly struct GeluOperator : IActivationOperator
{
    private const float OneOverRootTwo = 0.70710678118654752f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector one = TSimd.Broadcast(1f);
        TVector half = TSimd.Broadcast(0.5f);
        TVector z = TSimd.Multiply(TSimd.Abs(x), TSimd.Broadcast(OneOverRootTwo));
        TVector t = TSimd.Divide(one, TSimd.MultiplyAdd(z, half, one));
        TVector p = TSimd.Broadcast(0.168713211f);
        p = TSimd.MultiplyAdd(p, t, TSimd.Broadcast(-0.807733757f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Broadcast(1.44848164f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Broadcast(-1.07427142f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Broadcast(0.222852584f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Broadcast(-0.154138168f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Broadcast(0.0853316443f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Broadcast(0.376513474f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Broadcast(0.99975073f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Broadcast(-1.26549987f));
        TVector halfErfc = TSimd.Multiply(TSimd.Multiply(half, t), Exponential.Of<TSimd, TVector>(TSimd.Subtract(p, TSimd.Multiply(z, z))));
        TVector phi = TSimd.SelectLess(x, TSimd.Zero, halfErfc, TSimd.Subtract(one, halfErfc));
        return TSimd.Multiply(x, phi);
    }
}
