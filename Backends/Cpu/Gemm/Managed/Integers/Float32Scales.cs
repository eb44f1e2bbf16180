using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>Scales as float32.</summary>
internal readonly unsafe struct Float32Scales<TSimd, TVector> : IIntegerScales<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    public static int Bytes => 2 * TSimd.Count * sizeof(float);

    public static bool HasOffsets => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* group, out TVector first, out TVector second)
    {
        first = TSimd.Load((float*)group);
        second = TSimd.Load((float*)group + TSimd.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadOffsets(byte* group, out TVector first, out TVector second) => first = second = TSimd.Zero;

    public static void Store(byte* group, int lane, float scale, float offset) => ((float*)group)[lane] = scale;
}

/// <summary>Scales as float32 for each half of a group.</summary>
internal readonly unsafe struct Float32Halves<TSimd, TVector> : IIntegerScales<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    public static int Parts => 2;

    public static int Bytes => Float32Scales<TSimd, TVector>.Bytes;

    public static bool HasOffsets => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* group, out TVector first, out TVector second) => Float32Scales<TSimd, TVector>.Load(group, out first, out second);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadOffsets(byte* group, out TVector first, out TVector second) => first = second = TSimd.Zero;

    public static void Store(byte* group, int lane, float scale, float offset) => Float32Scales<TSimd, TVector>.Store(group, lane, scale, offset);
}

/// <summary>Scales and offsets as float32.</summary>
internal readonly unsafe struct Float32Offsets<TSimd, TVector> : IIntegerScales<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    public static int Bytes => 4 * TSimd.Count * sizeof(float);

    public static bool HasOffsets => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* group, out TVector first, out TVector second)
    {
        first = TSimd.Load((float*)group);
        second = TSimd.Load((float*)group + TSimd.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadOffsets(byte* group, out TVector first, out TVector second)
    {
        first = TSimd.Load((float*)group + (2 * TSimd.Count));
        second = TSimd.Load((float*)group + (3 * TSimd.Count));
    }

    public static void Store(byte* group, int lane, float scale, float offset)
    {
        ((float*)group)[lane] = scale;
        ((float*)group)[(2 * TSimd.Count) + lane] = offset;
    }
}
