using System.Runtime.CompilerServices;
using NativeFfn.Backends.Encodings;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>Scales as bfloat16, which they are by their encoding.</summary>
internal readonly unsafe struct BFloat16Scales<TSimd, TVector> : IIntegerScales<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>, IIntegerSimd<TVector>
    where TVector : struct
{
    public static int Bytes => 2 * TSimd.Count * sizeof(ushort);

    public static bool HasOffsets => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(byte* group, out TVector first, out TVector second)
    {
        first = TSimd.LoadBFloat16((ushort*)group);
        second = TSimd.LoadBFloat16((ushort*)group + TSimd.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadOffsets(byte* group, out TVector first, out TVector second) => first = second = TSimd.Zero;

    public static void Store(byte* group, int lane, float scale, float offset) => ((ushort*)group)[lane] = BFloat16Encoding.Round(scale);
}
