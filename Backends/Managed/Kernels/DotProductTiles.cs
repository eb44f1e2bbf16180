using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using NativeFfn.Backends.Cpu.Simd;

namespace NativeFfn.Backends.Managed.Kernels;

/// <summary>The inner loops of <see cref="DotProductGemm{TSimd, TVector}"/>: dot products of k elements, stored to C or added to it.</summary>
/// <remarks>
/// Accumulator s{i}{j} holds the sum of row i of A times row j of B, lane by lane. Loads end at the last whole vector of a row, so none
/// reaches past it; the rest is added element by element.
/// </remarks>
internal static unsafe class DotProductTiles<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>4 rows of B by 4 rows of A.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FourByFour(int k, float* a, long lda, float* b, long ldb, float* next, int nextRows, float* c, long ldc, bool accumulate)
    {
        float* a1 = a + lda;
        float* a2 = a + (2 * lda);
        float* a3 = a + (3 * lda);
        float* b1 = b + ldb;
        float* b2 = b + (2 * ldb);
        float* b3 = b + (3 * ldb);
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s02 = TSimd.Zero, s03 = TSimd.Zero;
        TVector s10 = TSimd.Zero, s11 = TSimd.Zero, s12 = TSimd.Zero, s13 = TSimd.Zero;
        TVector s20 = TSimd.Zero, s21 = TSimd.Zero, s22 = TSimd.Zero, s23 = TSimd.Zero;
        TVector s30 = TSimd.Zero, s31 = TSimd.Zero, s32 = TSimd.Zero, s33 = TSimd.Zero;
        int i = 0;
        for (; i <= k - TSimd.Count; i += TSimd.Count)
        {
            Prefetch(next + i, ldb, nextRows);

            TVector x0 = TSimd.Load(a + i);
            TVector x1 = TSimd.Load(a1 + i);
            TVector x2 = TSimd.Load(a2 + i);
            TVector x3 = TSimd.Load(a3 + i);
            TVector w = TSimd.Load(b + i);
            s00 = TSimd.MultiplyAdd(w, x0, s00);
            s10 = TSimd.MultiplyAdd(w, x1, s10);
            s20 = TSimd.MultiplyAdd(w, x2, s20);
            s30 = TSimd.MultiplyAdd(w, x3, s30);
            w = TSimd.Load(b1 + i);
            s01 = TSimd.MultiplyAdd(w, x0, s01);
            s11 = TSimd.MultiplyAdd(w, x1, s11);
            s21 = TSimd.MultiplyAdd(w, x2, s21);
            s31 = TSimd.MultiplyAdd(w, x3, s31);
            w = TSimd.Load(b2 + i);
            s02 = TSimd.MultiplyAdd(w, x0, s02);
            s12 = TSimd.MultiplyAdd(w, x1, s12);
            s22 = TSimd.MultiplyAdd(w, x2, s22);
            s32 = TSimd.MultiplyAdd(w, x3, s32);
            w = TSimd.Load(b3 + i);
            s03 = TSimd.MultiplyAdd(w, x0, s03);
            s13 = TSimd.MultiplyAdd(w, x1, s13);
            s23 = TSimd.MultiplyAdd(w, x2, s23);
            s33 = TSimd.MultiplyAdd(w, x3, s33);
        }

        Finish(s00, s01, s02, s03, a, b, b1, b2, b3, i, k, c, accumulate);
        Finish(s10, s11, s12, s13, a1, b, b1, b2, b3, i, k, c + ldc, accumulate);
        Finish(s20, s21, s22, s23, a2, b, b1, b2, b3, i, k, c + (2 * ldc), accumulate);
        Finish(s30, s31, s32, s33, a3, b, b1, b2, b3, i, k, c + (3 * ldc), accumulate);
    }

    /// <summary>4 rows of B by 3 rows of A.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FourByThree(int k, float* a, long lda, float* b, long ldb, float* next, int nextRows, float* c, long ldc, bool accumulate)
    {
        float* a1 = a + lda;
        float* a2 = a + (2 * lda);
        float* b1 = b + ldb;
        float* b2 = b + (2 * ldb);
        float* b3 = b + (3 * ldb);
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s02 = TSimd.Zero, s03 = TSimd.Zero;
        TVector s10 = TSimd.Zero, s11 = TSimd.Zero, s12 = TSimd.Zero, s13 = TSimd.Zero;
        TVector s20 = TSimd.Zero, s21 = TSimd.Zero, s22 = TSimd.Zero, s23 = TSimd.Zero;
        int i = 0;
        for (; i <= k - TSimd.Count; i += TSimd.Count)
        {
            Prefetch(next + i, ldb, nextRows);

            TVector x0 = TSimd.Load(a + i);
            TVector x1 = TSimd.Load(a1 + i);
            TVector x2 = TSimd.Load(a2 + i);
            TVector w = TSimd.Load(b + i);
            s00 = TSimd.MultiplyAdd(w, x0, s00);
            s10 = TSimd.MultiplyAdd(w, x1, s10);
            s20 = TSimd.MultiplyAdd(w, x2, s20);
            w = TSimd.Load(b1 + i);
            s01 = TSimd.MultiplyAdd(w, x0, s01);
            s11 = TSimd.MultiplyAdd(w, x1, s11);
            s21 = TSimd.MultiplyAdd(w, x2, s21);
            w = TSimd.Load(b2 + i);
            s02 = TSimd.MultiplyAdd(w, x0, s02);
            s12 = TSimd.MultiplyAdd(w, x1, s12);
            s22 = TSimd.MultiplyAdd(w, x2, s22);
            w = TSimd.Load(b3 + i);
            s03 = TSimd.MultiplyAdd(w, x0, s03);
            s13 = TSimd.MultiplyAdd(w, x1, s13);
            s23 = TSimd.MultiplyAdd(w, x2, s23);
        }

        Finish(s00, s01, s02, s03, a, b, b1, b2, b3, i, k, c, accumulate);
        Finish(s10, s11, s12, s13, a1, b, b1, b2, b3, i, k, c + ldc, accumulate);
        Finish(s20, s21, s22, s23, a2, b, b1, b2, b3, i, k, c + (2 * ldc), accumulate);
    }

    /// <summary>4 rows of B by 2 rows of A.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FourByTwo(int k, float* a, long lda, float* b, long ldb, float* next, int nextRows, float* c, long ldc, bool accumulate)
    {
        float* a1 = a + lda;
        float* b1 = b + ldb;
        float* b2 = b + (2 * ldb);
        float* b3 = b + (3 * ldb);
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s02 = TSimd.Zero, s03 = TSimd.Zero;
        TVector s10 = TSimd.Zero, s11 = TSimd.Zero, s12 = TSimd.Zero, s13 = TSimd.Zero;
        int i = 0;
        for (; i <= k - TSimd.Count; i += TSimd.Count)
        {
            Prefetch(next + i, ldb, nextRows);

            TVector x0 = TSimd.Load(a + i);
            TVector x1 = TSimd.Load(a1 + i);
            TVector w = TSimd.Load(b + i);
            s00 = TSimd.MultiplyAdd(w, x0, s00);
            s10 = TSimd.MultiplyAdd(w, x1, s10);
            w = TSimd.Load(b1 + i);
            s01 = TSimd.MultiplyAdd(w, x0, s01);
            s11 = TSimd.MultiplyAdd(w, x1, s11);
            w = TSimd.Load(b2 + i);
            s02 = TSimd.MultiplyAdd(w, x0, s02);
            s12 = TSimd.MultiplyAdd(w, x1, s12);
            w = TSimd.Load(b3 + i);
            s03 = TSimd.MultiplyAdd(w, x0, s03);
            s13 = TSimd.MultiplyAdd(w, x1, s13);
        }

        Finish(s00, s01, s02, s03, a, b, b1, b2, b3, i, k, c, accumulate);
        Finish(s10, s11, s12, s13, a1, b, b1, b2, b3, i, k, c + ldc, accumulate);
    }

    /// <summary>4 rows of B by 1 row of A.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FourByOne(int k, float* a, float* b, long ldb, float* next, int nextRows, float* c, bool accumulate)
    {
        float* b1 = b + ldb;
        float* b2 = b + (2 * ldb);
        float* b3 = b + (3 * ldb);
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s02 = TSimd.Zero, s03 = TSimd.Zero;
        int i = 0;
        for (; i <= k - TSimd.Count; i += TSimd.Count)
        {
            Prefetch(next + i, ldb, nextRows);

            TVector x0 = TSimd.Load(a + i);
            TVector w = TSimd.Load(b + i);
            s00 = TSimd.MultiplyAdd(w, x0, s00);
            w = TSimd.Load(b1 + i);
            s01 = TSimd.MultiplyAdd(w, x0, s01);
            w = TSimd.Load(b2 + i);
            s02 = TSimd.MultiplyAdd(w, x0, s02);
            w = TSimd.Load(b3 + i);
            s03 = TSimd.MultiplyAdd(w, x0, s03);
        }

        Finish(s00, s01, s02, s03, a, b, b1, b2, b3, i, k, c, accumulate);
    }

    /// <summary>One row of B by one row of A.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OneByOne(int k, float* a, float* b, float* c, bool accumulate)
    {
        TVector sum = TSimd.Zero;
        int i = 0;
        for (; i <= k - TSimd.Count; i += TSimd.Count)
        {
            sum = TSimd.MultiplyAdd(TSimd.Load(b + i), TSimd.Load(a + i), sum);
        }

        Finish(sum, a, b, i, k, c, accumulate);
    }

    // A row is too short for the processor to foresee where the next one starts.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* next, long ldb, int rows)
    {
        if (Sse.IsSupported && rows > 0)
        {
            Sse.Prefetch1(next);
            if (rows > 1)
            {
                Sse.Prefetch1(next + ldb);
                if (rows > 2)
                {
                    Sse.Prefetch1(next + (2 * ldb));
                    Sse.Prefetch1(next + (3 * ldb));
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(
        TVector s0, TVector s1, TVector s2, TVector s3, float* a, float* b0, float* b1, float* b2, float* b3, int i, int k, float* c, bool accumulate)
    {
        Vector128<float> sums = TSimd.Sum(s0, s1, s2, s3);
        for (; i < k; i++)
        {
            sums += a[i] * Vector128.Create(b0[i], b1[i], b2[i], b3[i]);
        }

        if (accumulate)
        {
            sums += Vector128.Load(c);
        }

        Vector128.Store(sums, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(TVector lanes, float* a, float* b, int i, int k, float* c, bool accumulate)
    {
        float sum = TSimd.Sum(lanes, lanes, lanes, lanes).ToScalar();
        for (; i < k; i++)
        {
            sum += a[i] * b[i];
        }

        *c = accumulate ? *c + sum : sum;
    }
}
