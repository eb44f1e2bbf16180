using System.Runtime.CompilerServices;

namespace NativeFfn.Comparison.Ceiling;

/// <summary>The two loops that no layer can outrun: reading memory and multiplying in registers.</summary>
internal static unsafe class CeilingLoops<TLane>
    where TLane : struct, ILane<TLane>
{
    /// <summary>Floats that one turn of <see cref="Read"/> takes.</summary>
    public static int ReadStep => 8 * TLane.Width;

    /// <summary>Operations of one turn of <see cref="Multiply"/>, a multiply-add counted as two.</summary>
    public static int FlopsPerTurn => 2 * 12 * TLane.Width;

    /// <summary>Reads floats in order.</summary>
    /// <param name="source">The first one.</param>
    /// <param name="count">A multiple of <see cref="ReadStep"/>.</param>
    /// <returns>Their sum, without which the reads would be left out.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Read(float* source, long count)
    {
        int width = TLane.Width;
        TLane a = TLane.Fill(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        for (float* end = source + count; source < end; source += 8 * width)
        {
            a = TLane.Add(a, TLane.Load(source));
            b = TLane.Add(b, TLane.Load(source + width));
            c = TLane.Add(c, TLane.Load(source + (2 * width)));
            d = TLane.Add(d, TLane.Load(source + (3 * width)));
            e = TLane.Add(e, TLane.Load(source + (4 * width)));
            f = TLane.Add(f, TLane.Load(source + (5 * width)));
            g = TLane.Add(g, TLane.Load(source + (6 * width)));
            h = TLane.Add(h, TLane.Load(source + (7 * width)));
        }

        return TLane.Sum(TLane.Add(TLane.Add(TLane.Add(a, b), TLane.Add(c, d)), TLane.Add(TLane.Add(e, f), TLane.Add(g, h))));
    }

    /// <summary>Multiplies and adds in twelve independent chains, enough to cover the latency of two units.</summary>
    /// <param name="turns">Turns of the loop.</param>
    /// <returns>Their sum, without which the work would be left out.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Multiply(long turns)
    {
        // Each chain runs to its fixed point 1 and stays there: no overflow, no denormals.
        TLane factor = TLane.Fill(0.5f);
        TLane addend = factor;
        TLane a = TLane.Fill(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
        for (long turn = 0; turn < turns; turn++)
        {
            a = TLane.MultiplyAdd(a, factor, addend);
            b = TLane.MultiplyAdd(b, factor, addend);
            c = TLane.MultiplyAdd(c, factor, addend);
            d = TLane.MultiplyAdd(d, factor, addend);
            e = TLane.MultiplyAdd(e, factor, addend);
            f = TLane.MultiplyAdd(f, factor, addend);
            g = TLane.MultiplyAdd(g, factor, addend);
            h = TLane.MultiplyAdd(h, factor, addend);
            i = TLane.MultiplyAdd(i, factor, addend);
            j = TLane.MultiplyAdd(j, factor, addend);
            k = TLane.MultiplyAdd(k, factor, addend);
            l = TLane.MultiplyAdd(l, factor, addend);
        }

        TLane first = TLane.Add(TLane.Add(TLane.Add(a, b), TLane.Add(c, d)), TLane.Add(e, f));
        return TLane.Sum(TLane.Add(first, TLane.Add(TLane.Add(TLane.Add(g, h), TLane.Add(i, j)), TLane.Add(k, l))));
    }
}
