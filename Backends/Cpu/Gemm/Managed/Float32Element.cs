using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed;

/// <summary>float32.</summary>
internal readonly unsafe struct Float32Element<TSimd, TVector> : IFloatElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    public static int PairBytes => 4 * TSimd.Count * sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = TSimd.Load((float*)pair);
        second = TSimd.Load((float*)pair + TSimd.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, float* book, out TVector first, out TVector second)
    {
        first = TSimd.Load((float*)pair + (2 * TSimd.Count));
        second = TSimd.Load((float*)pair + (3 * TSimd.Count));
    }

    public static void Pack(ReadOnlySpan<byte> row, int column, int count, byte* group, int lane)
    {
        ReadOnlySpan<float> weights = MemoryMarshal.Cast<byte, float>(row).Slice(column, count);
        for (int i = 0; i < count; i++)
        {
            ((float*)group)[(i * 2 * TSimd.Count) + lane] = weights[i];
        }
    }
}
