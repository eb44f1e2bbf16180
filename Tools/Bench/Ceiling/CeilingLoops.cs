using System.Runtime.CompilerServices;

namespace NativeFfn.Bench.Ceiling;

/// <summary>The two loops that no layer can outrun: reading memory and multiplying in registers.</summary>
internal static unsafe class CeilingLoops<TVector>
    where TVector : struct, IVectorRegister<TVector>
{
    /// <summary>Floats that one turn of <see cref="Read"/> takes.</summary>
    public static int ReadStep => 8 * TVector.Width;

    /// <summary>Operations of one turn of <see cref="Multiply"/>, a multiply-add counted as two.</summary>
    public static int FlopsPerTurn => 2 * 12 * TVector.Width;

    /// <summary>Reads floats in order.</summary>
    /// <param name="source">The first one.</param>
    /// <param name="count">A multiple of <see cref="ReadStep"/>.</param>
    /// <returns>Their sum, without which the reads would be left out.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Read(float* source, long count)
    {
        int width = TVector.Width;
        TVector a = TVector.Fill(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        for (float* end = source + count; source < end; source += 8 * width)
        {
            a = TVector.Add(a, TVector.Load(source));
            b = TVector.Add(b, TVector.Load(source + width));
            c = TVector.Add(c, TVector.Load(source + (2 * width)));
            d = TVector.Add(d, TVector.Load(source + (3 * width)));
            e = TVector.Add(e, TVector.Load(source + (4 * width)));
            f = TVector.Add(f, TVector.Load(source + (5 * width)));
            g = TVector.Add(g, TVector.Load(source + (6 * width)));
            h = TVector.Add(h, TVector.Load(source + (7 * width)));
        }

        return TVector.Sum(TVector.Add(TVector.Add(TVector.Add(a, b), TVector.Add(c, d)), TVector.Add(TVector.Add(e, f), TVector.Add(g, h))));
    }

    /// <summary>Multiplies and adds in twelve independent chains, enough to cover the latency of two units.</summary>
    /// <param name="turns">Turns of the loop.</param>
    /// <returns>Their sum, without which the work would be left out.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Multiply(long turns)
    {
        // Each chain runs to its fixed point 1 and stays there: no overflow, no denormals.
        TVector factor = TVector.Fill(0.5f);
        TVector addend = factor;
        TVector a = TVector.Fill(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
        for (long turn = 0; turn < turns; turn++)
        {
            a = TVector.MultiplyAdd(a, factor, addend);
            b = TVector.MultiplyAdd(b, factor, addend);
            c = TVector.MultiplyAdd(c, factor, addend);
            d = TVector.MultiplyAdd(d, factor, addend);
            e = TVector.MultiplyAdd(e, factor, addend);
            f = TVector.MultiplyAdd(f, factor, addend);
            g = TVector.MultiplyAdd(g, factor, addend);
            h = TVector.MultiplyAdd(h, factor, addend);
            i = TVector.MultiplyAdd(i, factor, addend);
            j = TVector.MultiplyAdd(j, factor, addend);
            k = TVector.MultiplyAdd(k, factor, addend);
            l = TVector.MultiplyAdd(l, factor, addend);
        }

        TVector first = TVector.Add(TVector.Add(TVector.Add(a, b), TVector.Add(c, d)), TVector.Add(e, f));
        return TVector.Sum(TVector.Add(first, TVector.Add(TVector.Add(TVector.Add(g, h), TVector.Add(i, j)), TVector.Add(k, l))));
    }
}
