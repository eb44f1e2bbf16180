using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Activations;

/// <summary>eˣ in float32 throughout, within two units in the last place; the runtime's own goes through float64 at several times the cost.</summary>
/// <remarks>
/// x = n·ln 2 + r with whole n and |r| ≤ ½·ln 2; eʳ is a polynomial (S. Moshier, Cephes expf, 1989), and 2ⁿ is multiplied in two halves, so that
/// results run out into infinity, subnormals and zero by themselves.
/// </remarks>
internal static class Exponential
{
    // Beyond these every result is 0 or infinity.
    private const float Least = -104;
    private const float Most = 89;

    private const float OneOverLn2 = 1.44269504f;

    // ln 2 in two parts: products of the first with whole numbers of this range are exact.
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Of<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector r = Reduce<TSimd, TVector>(x, out TVector n);
        TVector p = Polynomial<TSimd, TVector>(r);
        p = TSimd.MultiplyAdd(p, TSimd.Multiply(r, r), TSimd.Add(r, TSimd.Broadcast(1f)));
        TVector half = TSimd.Round(TSimd.Multiply(n, TSimd.Broadcast(0.5f)));
        TVector power = TSimd.Multiply(TSimd.Multiply(p, TSimd.PowerOfTwo(half)), TSimd.PowerOfTwo(TSimd.Subtract(n, half)));
        return TSimd.KeepNaN(power, x);
    }

    /// <summary>eˣ − 1 without cancellation next to 0, for x up to 88: 2ⁿ(eʳ − 1) + (2ⁿ − 1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector MinusOne<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector r = Reduce<TSimd, TVector>(x, out TVector n);
        TVector part = TSimd.MultiplyAdd(Polynomial<TSimd, TVector>(r), TSimd.Multiply(r, r), r);
        TVector power = PowerOfTwo<TSimd, TVector>(n);
        return TSimd.KeepNaN(TSimd.MultiplyAdd(part, power, TSimd.Subtract(power, TSimd.Broadcast(1f))), x);
    }

    // x = n · ln 2 + r with a whole n, |r| ≤ ln 2 / 2.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Reduce<TSimd, TVector>(TVector x, out TVector n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector bounded = TSimd.Clamp(x, TSimd.Broadcast(Least), TSimd.Broadcast(Most));
        n = TSimd.Round(TSimd.Multiply(bounded, TSimd.Broadcast(OneOverLn2)));
        TVector r = TSimd.MultiplyAdd(n, TSimd.Broadcast(-Ln2High), bounded);
        return TSimd.MultiplyAdd(n, TSimd.Broadcast(-Ln2Low), r);
    }

    /// <summary>eˣ − 1 in float64: the quotient takes back what rounding eˣ lost (Kahan).</summary>
    public static double MinusOne(double x)
    {
        double power = Math.Exp(x);
        return power == 1 ? x : power <= double.Epsilon || double.IsPositiveInfinity(power) ? power - 1 : (power - 1) * (x / Math.Log(power));
    }

    // (eʳ − 1 − r) / r² for |r| ≤ ½·ln 2.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Polynomial<TSimd, TVector>(TVector r)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector p = TSimd.Broadcast(1.9875691500e-4f);
        p = TSimd.MultiplyAdd(p, r, TSimd.Broadcast(1.3981999507e-3f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Broadcast(8.3334519073e-3f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Broadcast(4.1665795894e-2f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Broadcast(1.6666665459e-1f));
        return TSimd.MultiplyAdd(p, r, TSimd.Broadcast(5.0000001201e-1f));
    }

    // 2ⁿ in two halves, so that it may run out of the range of one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector PowerOfTwo<TSimd, TVector>(TVector n)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector half = TSimd.Round(TSimd.Multiply(n, TSimd.Broadcast(0.5f)));
        return TSimd.Multiply(TSimd.PowerOfTwo(half), TSimd.PowerOfTwo(TSimd.Subtract(n, half)));
    }
}
