using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>The inner loops: some groups of columns of a panel by as many columns of a few tokens.</summary>
/// <remarks>
/// Every sum is one lane of one accumulator (s{token}{vector}), to which column after column is added, in the same order in every tile:
/// a token's bits do not depend on how many others it shares a tile with. Written out, because accumulators in an array would live
/// in memory. While a tile computes, it asks memory for the bytes at <c>next</c>, some cache lines for every two columns.
/// </remarks>
internal static unsafe class PanelTiles<TElement, TSimd, TVector>
    where TElement : struct, IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Vectors of the scales and offsets of a unit of columns.</summary>
    public const int VectorsOfScales = 4;

    /// <summary>One token: <c>tile[token, row] (+)= Σ panel[row, column] · tokens[column, token]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero;
        byte* panel = columns.Weights;
        float* scales = columns.Scales;
        for (int units = columns.Units; units > 0; units--)
        {
            ReadScales(ref scales, out TVector scale0, out TVector scale1, out TVector offset0, out TVector offset1);
            for (int pair = columns.PairsOfUnit; pair > 0; pair--)
            {
                Prefetch(next, lines);
                Even(panel, columns.Book, scale0, scale1, offset0, offset1, out TVector w0, out TVector w1);
                Add(tokens, w0, w1, ref s00, ref s01);
                Odd(panel, columns.Book, scale0, scale1, offset0, offset1, out w0, out w1);
                Add(tokens + 1, w0, w1, ref s00, ref s01);
                next += lines * PanelFormat.LineBytes;
                panel += TElement.PairBytes;
                tokens += 2;
            }
        }

        Finish(s00, s01, tile, 0, accumulate);
    }

    /// <summary>One token by two panels side by side: a sum takes no column before it has the last one, and twice the sums wait half as long.</summary>
    /// <param name="columns">The first panel's columns, which have no scales.</param>
    /// <param name="other">The second panel's columns, as many.</param>
    /// <param name="token">The token, from the first of the columns on.</param>
    /// <param name="next">What the first panel's place is to be asked for; the second's is as far behind it as the panels are apart.</param>
    /// <param name="lines">Lines of each for every two columns.</param>
    /// <param name="sums">The first panel's sums.</param>
    /// <param name="otherSums">The second panel's sums.</param>
    /// <param name="accumulate">Whether the sums are added to.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OneByTwo(
        in PanelColumns columns, byte* other, float* token, byte* next, int lines, float* sums, float* otherSums, bool accumulate)
    {
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s10 = TSimd.Zero, s11 = TSimd.Zero;
        byte* panel = columns.Weights;
        for (int pair = columns.Units * columns.PairsOfUnit; pair > 0; pair--)
        {
            Prefetch(next, lines);
            Prefetch(next + (other - panel), lines);
            next += lines * PanelFormat.LineBytes;
            TElement.Even(panel, null, out TVector w0, out TVector w1);
            TElement.Even(other, null, out TVector v0, out TVector v1);
            Add(token, w0, w1, ref s00, ref s01);
            Add(token, v0, v1, ref s10, ref s11);
            TElement.Odd(panel, null, out w0, out w1);
            TElement.Odd(other, null, out v0, out v1);
            Add(token + 1, w0, w1, ref s00, ref s01);
            Add(token + 1, v0, v1, ref s10, ref s11);
            panel += TElement.PairBytes;
            other += TElement.PairBytes;
            token += 2;
        }

        Finish(s00, s01, sums, 0, accumulate);
        Finish(s10, s11, otherSums, 0, accumulate);
    }

    /// <summary>Two tokens: <c>tile[token, row] (+)= Σ panel[row, column] · tokens[column, token]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Two(in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s10 = TSimd.Zero, s11 = TSimd.Zero;
        byte* panel = columns.Weights;
        float* scales = columns.Scales;
        for (int units = columns.Units; units > 0; units--)
        {
            ReadScales(ref scales, out TVector scale0, out TVector scale1, out TVector offset0, out TVector offset1);
            for (int pair = columns.PairsOfUnit; pair > 0; pair--)
            {
                Prefetch(next, lines);
                Even(panel, columns.Book, scale0, scale1, offset0, offset1, out TVector w0, out TVector w1);
                Add(tokens, w0, w1, ref s00, ref s01);
                Add(tokens + 1, w0, w1, ref s10, ref s11);
                Odd(panel, columns.Book, scale0, scale1, offset0, offset1, out w0, out w1);
                Add(tokens + 2, w0, w1, ref s00, ref s01);
                Add(tokens + 3, w0, w1, ref s10, ref s11);
                next += lines * PanelFormat.LineBytes;
                panel += TElement.PairBytes;
                tokens += 4;
            }
        }

        Finish(s00, s01, tile, 0, accumulate);
        Finish(s10, s11, tile, 1, accumulate);
    }

    /// <summary>Four tokens: <c>tile[token, row] (+)= Σ panel[row, column] · tokens[column, token]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Four(in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s10 = TSimd.Zero, s11 = TSimd.Zero, s20 = TSimd.Zero, s21 = TSimd.Zero, s30 = TSimd.Zero, s31 = TSimd.Zero;
        byte* panel = columns.Weights;
        float* scales = columns.Scales;
        for (int units = columns.Units; units > 0; units--)
        {
            ReadScales(ref scales, out TVector scale0, out TVector scale1, out TVector offset0, out TVector offset1);
            for (int pair = columns.PairsOfUnit; pair > 0; pair--)
            {
                Prefetch(next, lines);
                Even(panel, columns.Book, scale0, scale1, offset0, offset1, out TVector w0, out TVector w1);
                Add(tokens, w0, w1, ref s00, ref s01);
                Add(tokens + 1, w0, w1, ref s10, ref s11);
                Add(tokens + 2, w0, w1, ref s20, ref s21);
                Add(tokens + 3, w0, w1, ref s30, ref s31);
                Odd(panel, columns.Book, scale0, scale1, offset0, offset1, out w0, out w1);
                Add(tokens + 4, w0, w1, ref s00, ref s01);
                Add(tokens + 5, w0, w1, ref s10, ref s11);
                Add(tokens + 6, w0, w1, ref s20, ref s21);
                Add(tokens + 7, w0, w1, ref s30, ref s31);
                next += lines * PanelFormat.LineBytes;
                panel += TElement.PairBytes;
                tokens += 8;
            }
        }

        Finish(s00, s01, tile, 0, accumulate);
        Finish(s10, s11, tile, 1, accumulate);
        Finish(s20, s21, tile, 2, accumulate);
        Finish(s30, s31, tile, 3, accumulate);
    }

    /// <summary>Six tokens: <c>tile[token, row] (+)= Σ panel[row, column] · tokens[column, token]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Six(in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s10 = TSimd.Zero, s11 = TSimd.Zero, s20 = TSimd.Zero, s21 = TSimd.Zero, s30 = TSimd.Zero, s31 = TSimd.Zero;
        TVector s40 = TSimd.Zero, s41 = TSimd.Zero, s50 = TSimd.Zero, s51 = TSimd.Zero;
        byte* panel = columns.Weights;
        float* scales = columns.Scales;
        for (int units = columns.Units; units > 0; units--)
        {
            ReadScales(ref scales, out TVector scale0, out TVector scale1, out TVector offset0, out TVector offset1);
            for (int pair = columns.PairsOfUnit; pair > 0; pair--)
            {
                Prefetch(next, lines);
                Even(panel, columns.Book, scale0, scale1, offset0, offset1, out TVector w0, out TVector w1);
                Add(tokens, w0, w1, ref s00, ref s01);
                Add(tokens + 1, w0, w1, ref s10, ref s11);
                Add(tokens + 2, w0, w1, ref s20, ref s21);
                Add(tokens + 3, w0, w1, ref s30, ref s31);
                Add(tokens + 4, w0, w1, ref s40, ref s41);
                Add(tokens + 5, w0, w1, ref s50, ref s51);
                Odd(panel, columns.Book, scale0, scale1, offset0, offset1, out w0, out w1);
                Add(tokens + 6, w0, w1, ref s00, ref s01);
                Add(tokens + 7, w0, w1, ref s10, ref s11);
                Add(tokens + 8, w0, w1, ref s20, ref s21);
                Add(tokens + 9, w0, w1, ref s30, ref s31);
                Add(tokens + 10, w0, w1, ref s40, ref s41);
                Add(tokens + 11, w0, w1, ref s50, ref s51);
                next += lines * PanelFormat.LineBytes;
                panel += TElement.PairBytes;
                tokens += 12;
            }
        }

        Finish(s00, s01, tile, 0, accumulate);
        Finish(s10, s11, tile, 1, accumulate);
        Finish(s20, s21, tile, 2, accumulate);
        Finish(s30, s31, tile, 3, accumulate);
        Finish(s40, s41, tile, 4, accumulate);
        Finish(s50, s51, tile, 5, accumulate);
    }

    /// <summary>Eight tokens: <c>tile[token, row] (+)= Σ panel[row, column] · tokens[column, token]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Eight(in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s10 = TSimd.Zero, s11 = TSimd.Zero, s20 = TSimd.Zero, s21 = TSimd.Zero, s30 = TSimd.Zero, s31 = TSimd.Zero;
        TVector s40 = TSimd.Zero, s41 = TSimd.Zero, s50 = TSimd.Zero, s51 = TSimd.Zero, s60 = TSimd.Zero, s61 = TSimd.Zero, s70 = TSimd.Zero, s71 = TSimd.Zero;
        byte* panel = columns.Weights;
        float* scales = columns.Scales;
        for (int units = columns.Units; units > 0; units--)
        {
            ReadScales(ref scales, out TVector scale0, out TVector scale1, out TVector offset0, out TVector offset1);
            for (int pair = columns.PairsOfUnit; pair > 0; pair--)
            {
                Prefetch(next, lines);
                Even(panel, columns.Book, scale0, scale1, offset0, offset1, out TVector w0, out TVector w1);
                Add(tokens, w0, w1, ref s00, ref s01);
                Add(tokens + 1, w0, w1, ref s10, ref s11);
                Add(tokens + 2, w0, w1, ref s20, ref s21);
                Add(tokens + 3, w0, w1, ref s30, ref s31);
                Add(tokens + 4, w0, w1, ref s40, ref s41);
                Add(tokens + 5, w0, w1, ref s50, ref s51);
                Add(tokens + 6, w0, w1, ref s60, ref s61);
                Add(tokens + 7, w0, w1, ref s70, ref s71);
                Odd(panel, columns.Book, scale0, scale1, offset0, offset1, out w0, out w1);
                Add(tokens + 8, w0, w1, ref s00, ref s01);
                Add(tokens + 9, w0, w1, ref s10, ref s11);
                Add(tokens + 10, w0, w1, ref s20, ref s21);
                Add(tokens + 11, w0, w1, ref s30, ref s31);
                Add(tokens + 12, w0, w1, ref s40, ref s41);
                Add(tokens + 13, w0, w1, ref s50, ref s51);
                Add(tokens + 14, w0, w1, ref s60, ref s61);
                Add(tokens + 15, w0, w1, ref s70, ref s71);
                next += lines * PanelFormat.LineBytes;
                panel += TElement.PairBytes;
                tokens += 16;
            }
        }

        Finish(s00, s01, tile, 0, accumulate);
        Finish(s10, s11, tile, 1, accumulate);
        Finish(s20, s21, tile, 2, accumulate);
        Finish(s30, s31, tile, 3, accumulate);
        Finish(s40, s41, tile, 4, accumulate);
        Finish(s50, s51, tile, 5, accumulate);
        Finish(s60, s61, tile, 6, accumulate);
        Finish(s70, s71, tile, 7, accumulate);
    }

    /// <summary>Twelve tokens: <c>tile[token, row] (+)= Σ panel[row, column] · tokens[column, token]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Twelve(in PanelColumns columns, float* tokens, byte* next, int lines, float* tile, bool accumulate)
    {
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s10 = TSimd.Zero, s11 = TSimd.Zero, s20 = TSimd.Zero, s21 = TSimd.Zero, s30 = TSimd.Zero, s31 = TSimd.Zero;
        TVector s40 = TSimd.Zero, s41 = TSimd.Zero, s50 = TSimd.Zero, s51 = TSimd.Zero, s60 = TSimd.Zero, s61 = TSimd.Zero, s70 = TSimd.Zero, s71 = TSimd.Zero;
        TVector s80 = TSimd.Zero, s81 = TSimd.Zero, s90 = TSimd.Zero, s91 = TSimd.Zero, sA0 = TSimd.Zero, sA1 = TSimd.Zero, sB0 = TSimd.Zero, sB1 = TSimd.Zero;
        byte* panel = columns.Weights;
        float* scales = columns.Scales;
        for (int units = columns.Units; units > 0; units--)
        {
            ReadScales(ref scales, out TVector scale0, out TVector scale1, out TVector offset0, out TVector offset1);
            for (int pair = columns.PairsOfUnit; pair > 0; pair--)
            {
                Prefetch(next, lines);
                Even(panel, columns.Book, scale0, scale1, offset0, offset1, out TVector w0, out TVector w1);
                Add(tokens, w0, w1, ref s00, ref s01);
                Add(tokens + 1, w0, w1, ref s10, ref s11);
                Add(tokens + 2, w0, w1, ref s20, ref s21);
                Add(tokens + 3, w0, w1, ref s30, ref s31);
                Add(tokens + 4, w0, w1, ref s40, ref s41);
                Add(tokens + 5, w0, w1, ref s50, ref s51);
                Add(tokens + 6, w0, w1, ref s60, ref s61);
                Add(tokens + 7, w0, w1, ref s70, ref s71);
                Add(tokens + 8, w0, w1, ref s80, ref s81);
                Add(tokens + 9, w0, w1, ref s90, ref s91);
                Add(tokens + 10, w0, w1, ref sA0, ref sA1);
                Add(tokens + 11, w0, w1, ref sB0, ref sB1);
                Odd(panel, columns.Book, scale0, scale1, offset0, offset1, out w0, out w1);
                Add(tokens + 12, w0, w1, ref s00, ref s01);
                Add(tokens + 13, w0, w1, ref s10, ref s11);
                Add(tokens + 14, w0, w1, ref s20, ref s21);
                Add(tokens + 15, w0, w1, ref s30, ref s31);
                Add(tokens + 16, w0, w1, ref s40, ref s41);
                Add(tokens + 17, w0, w1, ref s50, ref s51);
                Add(tokens + 18, w0, w1, ref s60, ref s61);
                Add(tokens + 19, w0, w1, ref s70, ref s71);
                Add(tokens + 20, w0, w1, ref s80, ref s81);
                Add(tokens + 21, w0, w1, ref s90, ref s91);
                Add(tokens + 22, w0, w1, ref sA0, ref sA1);
                Add(tokens + 23, w0, w1, ref sB0, ref sB1);
                next += lines * PanelFormat.LineBytes;
                panel += TElement.PairBytes;
                tokens += 24;
            }
        }

        Finish(s00, s01, tile, 0, accumulate);
        Finish(s10, s11, tile, 1, accumulate);
        Finish(s20, s21, tile, 2, accumulate);
        Finish(s30, s31, tile, 3, accumulate);
        Finish(s40, s41, tile, 4, accumulate);
        Finish(s50, s51, tile, 5, accumulate);
        Finish(s60, s61, tile, 6, accumulate);
        Finish(s70, s71, tile, 7, accumulate);
        Finish(s80, s81, tile, 8, accumulate);
        Finish(s90, s91, tile, 9, accumulate);
        Finish(sA0, sA1, tile, 10, accumulate);
        Finish(sB0, sB1, tile, 11, accumulate);
    }

    /// <summary>Reads the scales and offsets of the next unit of columns, where there are any.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ReadScales(ref float* scales, out TVector scale0, out TVector scale1, out TVector offset0, out TVector offset1)
    {
        if (!TElement.HasScales)
        {
            scale0 = scale1 = offset0 = offset1 = TSimd.Zero;
            return;
        }

        scale0 = TSimd.Load(scales);
        scale1 = TSimd.Load(scales + TSimd.Count);
        offset0 = TSimd.Load(scales + (2 * TSimd.Count));
        offset1 = TSimd.Load(scales + (3 * TSimd.Count));
        scales += VectorsOfScales * TSimd.Count;
    }

    /// <summary>The even column of a pair.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(
        byte* pair, float* book, TVector scale0, TVector scale1, TVector offset0, TVector offset1, out TVector w0, out TVector w1)
    {
        TElement.Even(pair, book, out w0, out w1);
        Scale(scale0, scale1, offset0, offset1, ref w0, ref w1);
    }

    /// <summary>The odd column of a pair.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(
        byte* pair, float* book, TVector scale0, TVector scale1, TVector offset0, TVector offset1, out TVector w0, out TVector w1)
    {
        TElement.Odd(pair, book, out w0, out w1);
        Scale(scale0, scale1, offset0, offset1, ref w0, ref w1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scale(TVector scale0, TVector scale1, TVector offset0, TVector offset1, ref TVector w0, ref TVector w1)
    {
        if (TElement.HasScales)
        {
            w0 = TSimd.MultiplyAdd(w0, scale0, offset0);
            w1 = TSimd.MultiplyAdd(w1, scale1, offset1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* token, TVector w0, TVector w1, ref TVector s0, ref TVector s1)
    {
        TVector x = TSimd.LoadAndBroadcast(token);
        s0 = TSimd.MultiplyAdd(w0, x, s0);
        s1 = TSimd.MultiplyAdd(w1, x, s1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(TVector s0, TVector s1, float* tile, int token, bool accumulate)
    {
        float* row = tile + (token * 2 * TSimd.Count);
        TSimd.Store(accumulate ? TSimd.Add(TSimd.Load(row), s0) : s0, row);
        row += TSimd.Count;
        TSimd.Store(accumulate ? TSimd.Add(TSimd.Load(row), s1) : s1, row);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* next, int lines)
    {
        if (Sse.IsSupported && lines > 0)
        {
            Sse.Prefetch1(next);
            if (lines > 1)
            {
                Sse.Prefetch1(next + PanelFormat.LineBytes);
                if (lines > 2)
                {
                    Sse.Prefetch1(next + (2 * PanelFormat.LineBytes));
                    Sse.Prefetch1(next + (3 * PanelFormat.LineBytes));
                }
            }
        }
    }
}
