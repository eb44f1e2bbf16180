using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Rows;

/// <summary>Sums and products of rows. Every pointer has <c>count</c> elements; sources may be the destination itself.</summary>
internal static unsafe class RowKernel
{
    /// <summary>destination = left + right.</summary>
    public static void Add(float* destination, float* left, float* right, int count)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Add<Simd512, Vector512<float>>(destination, left, right, count);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Add<Simd256, Vector256<float>>(destination, left, right, count);
        }
        else
        {
            Add<Simd128, Vector128<float>>(destination, left, right, count);
        }
    }

    /// <summary>destination += source · scale.</summary>
    public static void AddScaled(float* destination, float* source, float scale, int count)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            AddScaled<Simd512, Vector512<float>>(destination, source, scale, count);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            AddScaled<Simd256, Vector256<float>>(destination, source, scale, count);
        }
        else
        {
            AddScaled<Simd128, Vector128<float>>(destination, source, scale, count);
        }
    }

    /// <summary>row = row · scale.</summary>
    public static void Scale(float* row, float scale, int count)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Scale<Simd512, Vector512<float>>(row, scale, count);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Scale<Simd256, Vector256<float>>(row, scale, count);
        }
        else
        {
            Scale<Simd128, Vector128<float>>(row, scale, count);
        }
    }

    /// <summary>row = row ⊙ factors.</summary>
    public static void Multiply(float* row, float* factors, int count)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Multiply<Simd512, Vector512<float>>(row, factors, count);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Multiply<Simd256, Vector256<float>>(row, factors, count);
        }
        else
        {
            Multiply<Simd128, Vector128<float>>(row, factors, count);
        }
    }

    /// <summary>Σ left · right.</summary>
    public static float Dot(float* left, float* right, int count) =>
        Vector512.IsHardwareAccelerated ? Dot<Simd512, Vector512<float>>(left, right, count)
        : Vector256.IsHardwareAccelerated ? Dot<Simd256, Vector256<float>>(left, right, count)
        : Dot<Simd128, Vector128<float>>(left, right, count);

    /// <summary>destination = source, or nothing where they are the same.</summary>
    public static void Copy(float* destination, float* source, int count)
    {
        if (destination != source)
        {
            new ReadOnlySpan<float>(source, count).CopyTo(new Span<float>(destination, count));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add<TSimd, TVector>(float* destination, float* left, float* right, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TSimd.Store(TSimd.Add(TSimd.Load(left + i), TSimd.Load(right + i)), destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = left[i] + right[i];
        }
    }

    // The rest is a multiply-add too, so that an element's bits do not depend on where it lies.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddScaled<TSimd, TVector>(float* destination, float* source, float scale, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector factor = TSimd.Broadcast(scale);
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TSimd.Store(TSimd.MultiplyAdd(TSimd.Load(source + i), factor, TSimd.Load(destination + i)), destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = float.MultiplyAddEstimate(source[i], scale, destination[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale<TSimd, TVector>(float* row, float scale, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector factor = TSimd.Broadcast(scale);
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TSimd.Store(TSimd.Multiply(TSimd.Load(row + i), factor), row + i);
        }

        for (; i < count; i++)
        {
            row[i] *= scale;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TSimd, TVector>(float* row, float* factors, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TSimd.Store(TSimd.Multiply(TSimd.Load(row + i), TSimd.Load(factors + i)), row + i);
        }

        for (; i < count; i++)
        {
            row[i] *= factors[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot<TSimd, TVector>(float* left, float* right, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector sums = TSimd.Zero;
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            sums = TSimd.MultiplyAdd(TSimd.Load(left + i), TSimd.Load(right + i), sums);
        }

        float sum = TSimd.Sum(sums);
        for (; i < count; i++)
        {
            sum += left[i] * right[i];
        }

        return sum;
    }
}
