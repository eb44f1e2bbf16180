using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Rows;

/// <summary>Norms over one row. The destination may be the source itself.</summary>
internal static unsafe class NormKernel
{
    /// <summary>destination = norm(source).</summary>
    /// <param name="norm">The formula and its ε.</param>
    /// <param name="weight">w, <paramref name="count"/> elements; null where the norm has none.</param>
    /// <param name="bias">b, as many elements; null where the norm has none.</param>
    /// <param name="source">x, as many elements.</param>
    /// <param name="destination">As many elements.</param>
    /// <param name="count">Elements.</param>
    public static void Apply(NormSpec norm, float* weight, float* bias, float* source, float* destination, int count)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Apply<Simd512, Vector512<float>>(norm, weight, bias, source, destination, count);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            Apply<Simd256, Vector256<float>>(norm, weight, bias, source, destination, count);
        }
        else
        {
            Apply<Simd128, Vector128<float>>(norm, weight, bias, source, destination, count);
        }
    }

    private static void Apply<TSimd, TVector>(NormSpec norm, float* weight, float* bias, float* source, float* destination, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float mean = norm.Kind == NormKind.Layer ? Sum<TSimd, TVector>(source, 0f, power: 1, count) / count : 0f;
        float variance = Sum<TSimd, TVector>(source, mean, power: 2, count) / count;
        float scale = 1f / MathF.Sqrt(variance + norm.Epsilon);
        Scale<TSimd, TVector>(source, mean, scale, weight, norm.WeightOffset, bias, destination, count);
    }

    /// <summary>Σ (x − mean)ᵖᵒʷᵉʳ for power 1 or 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum<TSimd, TVector>(float* source, float mean, int power, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector means = TSimd.Broadcast(mean);
        TVector sums = TSimd.Zero;
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TVector x = TSimd.Subtract(TSimd.Load(source + i), means);
            sums = power == 2 ? TSimd.MultiplyAdd(x, x, sums) : TSimd.Add(x, sums);
        }

        float sum = TSimd.Sum(sums);
        for (; i < count; i++)
        {
            float x = source[i] - mean;
            sum += power == 2 ? x * x : x;
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale<TSimd, TVector>(
        float* source, float mean, float scale, float* weight, float weightOffset, float* bias, float* destination, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector means = TSimd.Broadcast(mean);
        TVector scales = TSimd.Broadcast(scale);
        TVector offsets = TSimd.Broadcast(weightOffset);
        int i = 0;
        for (; i <= count - TSimd.Count; i += TSimd.Count)
        {
            TVector x = TSimd.Multiply(TSimd.Subtract(TSimd.Load(source + i), means), scales);
            TVector y = weight == null ? x : TSimd.Multiply(x, TSimd.Add(TSimd.Load(weight + i), offsets));
            TSimd.Store(bias == null ? y : TSimd.Add(y, TSimd.Load(bias + i)), destination + i);
        }

        for (; i < count; i++)
        {
            float x = (source[i] - mean) * scale;
            float y = weight == null ? x : x * (weight[i] + weightOffset);
            destination[i] = bias == null ? y : y + bias[i];
        }
    }
}
