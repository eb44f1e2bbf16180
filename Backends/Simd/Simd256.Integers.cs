using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeFfn.Backends.Simd;

/// <content>Integers.</content>
internal readonly unsafe partial struct Simd256 : IIntegerSimd<Vector256<float>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AddIntegers(Vector256<float> left, Vector256<float> right) =>
        (left.AsInt32() + right.AsInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToSingle(Vector256<float> integers) =>
        Vector256.ConvertToSingle(integers.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyWords(Vector256<float> left, Vector256<float> right) =>
        Avx2.MultiplyAddAdjacent(left.AsInt16(), right.AsInt16()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ShiftWordsLeft(Vector256<float> value, [ConstantExpected] int count) =>
        (value.AsInt16() << count).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ShiftWordsRightArithmetic(Vector256<float> value, [ConstantExpected] int count) =>
        (value.AsInt16() >> count).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> AddBytes(Vector256<float> sums, Vector256<float> unsigned, Vector256<float> signed) =>
        (sums.AsInt16() + Avx2.MultiplyAddAdjacent(unsigned.AsByte(), signed.AsSByte())).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> SumOfBytes(Vector256<float> sums) =>
        Avx2.MultiplyAddAdjacent(sums.AsInt16(), Vector256<short>.One).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> TakeSigned(Vector256<float> value, int bit, int bits) =>
        ((value.AsInt32() << (32 - bits - bit)) >> (32 - bits)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> XorBits(Vector256<float> left, Vector256<float> right) =>
        left ^ right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> OrBits(Vector256<float> left, Vector256<float> right) =>
        left | right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadBytes(byte* source) => Avx2.ConvertToVector256Int32(source).AsSingle();

    // A permutation looks at the three lowest bits; the fourth, moved to the sign, chooses between the halves.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LookUp(float* table, Vector256<float> indices) => Avx.BlendVariable(
        Avx2.PermuteVar8x32(Vector256.Load(table), indices.AsInt32()),
        Avx2.PermuteVar8x32(Vector256.Load(table + 8), indices.AsInt32()),
        (indices.AsInt32() << 28).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadBFloat16(ushort* source) =>
        (Avx2.ConvertToVector256Int32(Vector128.Load(source)) << 16).AsSingle();
}
