using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace NativeFfn.Backends.Simd;

/// <content>Integers.</content>
internal readonly unsafe partial struct Simd128 : IIntegerSimd<Vector128<float>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AddIntegers(Vector128<float> left, Vector128<float> right) =>
        (left.AsInt32() + right.AsInt32()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ToSingle(Vector128<float> integers) =>
        Vector128.ConvertToSingle(integers.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyWords(Vector128<float> left, Vector128<float> right) =>
        Sse2.IsSupported ? Sse2.MultiplyAddAdjacent(left.AsInt16(), right.AsInt16()).AsSingle()
        : AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.AddPairwise(
            AdvSimd.MultiplyWideningLower(left.AsInt16().GetLower(), right.AsInt16().GetLower()),
            AdvSimd.MultiplyWideningUpper(left.AsInt16(), right.AsInt16())).AsSingle()
        : SumOfPairs(left.AsInt16(), right.AsInt16()).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ShiftWordsLeft(Vector128<float> value, [ConstantExpected] int count) =>
        (value.AsInt16() << count).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ShiftWordsRightArithmetic(Vector128<float> value, [ConstantExpected] int count) =>
        (value.AsInt16() >> count).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> AddBytes(Vector128<float> sums, Vector128<float> unsigned, Vector128<float> signed) =>
        Ssse3.IsSupported ? (sums.AsInt16() + Ssse3.MultiplyAddAdjacent(unsigned.AsByte(), signed.AsSByte())).AsSingle()
        : Dp.IsSupported ? Dp.DotProduct(sums.AsInt32(), unsigned.AsSByte(), signed.AsSByte()).AsSingle()
        : (sums.AsInt32() + SumOfQuadruples(unsigned.AsSByte(), signed.AsSByte())).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> SumOfBytes(Vector128<float> sums) =>
        Ssse3.IsSupported ? Sse2.MultiplyAddAdjacent(sums.AsInt16(), Vector128<short>.One).AsSingle() : sums;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> TakeSigned(Vector128<float> value, int bit, int bits) =>
        ((value.AsInt32() << (32 - bits - bit)) >> (32 - bits)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> XorBits(Vector128<float> left, Vector128<float> right) =>
        left ^ right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> OrBits(Vector128<float> left, Vector128<float> right) =>
        left | right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadBytes(byte* source) => Sse41.IsSupported
        ? Sse41.ConvertToVector128Int32(source).AsSingle()
        : Vector128.Create(source[0], source[1], source[2], (int)source[3]).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LookUp(float* table, Vector128<float> indices) => Vector128.Create(
        table[indices.AsInt32()[0] & 15], table[indices.AsInt32()[1] & 15], table[indices.AsInt32()[2] & 15], table[indices.AsInt32()[3] & 15]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LoadBFloat16(ushort* source) =>
        (Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)source).AsUInt16()) << 16).AsSingle();

    // Words of even and of odd lanes apart, widened in place.
    private static Vector128<int> SumOfPairs(Vector128<short> left, Vector128<short> right) =>
        (((left.AsInt32() << 16) >> 16) * ((right.AsInt32() << 16) >> 16)) + ((left.AsInt32() >> 16) * (right.AsInt32() >> 16));

    private static Vector128<int> SumOfQuadruples(Vector128<sbyte> left, Vector128<sbyte> right) =>
        SumOfPairs((left.AsInt16() << 8) >> 8, (right.AsInt16() << 8) >> 8) + SumOfPairs(left.AsInt16() >> 8, right.AsInt16() >> 8);
}
