using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NativeFfn.Backends.Cpu.Simd;

namespace NativeFfn.Backends.Cpu.Kernels;

/// <summary>Sums of rows. Every pointer has <c>count</c> elements; sources may be the destination itself.</summary>
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
}
