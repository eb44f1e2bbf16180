using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Rows;

/// <summary>The sieve of <see cref="ActivationParameters.SparsityMultiplier"/> over one row.</summary>
internal static unsafe class SieveKernel
{
    /// <summary>row = relu(row − (mean + multiplier · std)), with the biased deviation, in place.</summary>
    public static void Apply(float* row, float multiplier, int count)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Apply<Simd512, Vector512<float>>(row, multiplier, count);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Apply<Simd256, Vector256<float>>(row, multiplier, count);
        }
        else
        {
            Apply<Simd128, Vector128<float>>(row, multiplier, count);
        }
    }

    // NaN stays NaN because it is not less than 0.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Apply<TSimd, TVector>(float* row, float multiplier, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float mean = NormKernel.Sum<TSimd, TVector>(row, 0f, power: 1, count) / count;
        float least = mean + (multiplier * MathF.Sqrt(NormKernel.Sum<TSimd, TVector>(row, mean, power: 2, count) / count));
        TVector leasts = TSimd.Broadcast(least);
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TVector above = TSimd.Subtract(TSimd.Load(row + i), leasts);
            TSimd.Store(TSimd.SelectLess(above, TSimd.Zero, TSimd.Zero, above), row + i);
        }

        for (; i < count; i++)
        {
            float above = row[i] - least;
            row[i] = above < 0 ? 0 : above;
        }
    }
}
