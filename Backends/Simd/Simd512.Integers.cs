using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeFfn.Backends.Simd;

/// <content>Integers.</content>
internal readonly unsafe partial struct Simd512 : IIntegerSimd<Vector512<float>>
{
    public static bool LooksUpAtOnce => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AddIntegers(Vector512<float> left, Vector512<float> right) =>
        (left.AsInt32() + right.AsInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ToSingle(Vector512<float> integers) =>
        Vector512.ConvertToSingle(integers.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyWords(Vector512<float> left, Vector512<float> right) =>
        Avx512BW.MultiplyAddAdjacent(left.AsInt16(), right.AsInt16()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ShiftWordsLeft(Vector512<float> value, [ConstantExpected] int count) =>
        (value.AsInt16() << count).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ShiftWordsRightArithmetic(Vector512<float> value, [ConstantExpected] int count) =>
        (value.AsInt16() >> count).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> AddBytes(Vector512<float> sums, Vector512<float> unsigned, Vector512<float> signed) =>
        (sums.AsInt16() + Avx512BW.MultiplyAddAdjacent(unsigned.AsByte(), signed.AsSByte())).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> SumOfBytes(Vector512<float> sums) =>
        Avx512BW.MultiplyAddAdjacent(sums.AsInt16(), Vector512<short>.One).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> TakeSigned(Vector512<float> value, int bit, int bits) =>
        ((value.AsInt32() << (32 - bits - bit)) >> (32 - bits)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> XorBits(Vector512<float> left, Vector512<float> right) =>
        left ^ right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> OrBits(Vector512<float> left, Vector512<float> right) =>
        left | right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadBytes(byte* source) => Avx512F.ConvertToVector512Int32(Vector128.Load(source)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LookUp(float* table, Vector512<float> indices) => Avx512F.PermuteVar16x32(Vector512.Load(table), indices.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadBFloat16(ushort* source) =>
        (Avx512F.ConvertToVector512Int32(Vector256.Load(source)) << 16).AsSingle();
}
