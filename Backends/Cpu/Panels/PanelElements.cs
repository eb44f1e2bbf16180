using System.Runtime.CompilerServices;
using NativeFfn.Backends.Simd;

namespace NativeFfn.Backends.Cpu.Panels;

/// <summary>How two columns of a panel become float32 in registers; see <see cref="PanelFormat"/> for what lies where.</summary>
/// <typeparam name="TSimd">The vectors, two of which hold a column.</typeparam>
/// <typeparam name="TVector">The vector.</typeparam>
internal unsafe interface IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Bytes of the scales at the head of a group.</summary>
    static abstract int ScaleBytes { get; }

    /// <summary>Bytes of two columns.</summary>
    static abstract int PairBytes { get; }

    /// <summary>Reads the scales of a group, where there are any.</summary>
    static abstract void Scales(byte* group, out TVector first, out TVector second);

    /// <summary>Reads the even column of a pair.</summary>
    static abstract void Even(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second);

    /// <summary>Reads the odd column of a pair.</summary>
    static abstract void Odd(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second);
}

/// <summary>float32.</summary>
internal readonly unsafe struct Float32Element<TSimd, TVector> : IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    public static int ScaleBytes => 0;

    public static int PairBytes => 4 * TSimd.Count * sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* group, out TVector first, out TVector second) => first = second = TSimd.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = TSimd.Load((float*)pair);
        second = TSimd.Load((float*)pair + TSimd.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = TSimd.Load((float*)pair + (2 * TSimd.Count));
        second = TSimd.Load((float*)pair + (3 * TSimd.Count));
    }
}

/// <summary>bfloat16: the upper half of a float32.</summary>
internal readonly unsafe struct BFloat16Element<TSimd, TVector> : IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    public static int ScaleBytes => 0;

    public static int PairBytes => 2 * TSimd.Count * sizeof(uint);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* group, out TVector first, out TVector second) => first = second = TSimd.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = TSimd.ShiftBitsLeft(TSimd.Load((float*)pair), 16);
        second = TSimd.ShiftBitsLeft(TSimd.Load((float*)pair + TSimd.Count), 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        TVector upperHalf = TSimd.BroadcastBits(0xFFFF_0000);
        first = TSimd.AndBits(TSimd.Load((float*)pair), upperHalf);
        second = TSimd.AndBits(TSimd.Load((float*)pair + TSimd.Count), upperHalf);
    }
}

/// <summary>IEEE half precision, finite.</summary>
/// <remarks>
/// With the half in the upper bits, a shift by 3 puts its exponent and mantissa where float32 has them, and the mask clears the copies of
/// the sign. What is left is the difference of the exponents' biases, 127 - 15, made up by a multiplication that is exact, also for
/// subnormals. Infinities and NaNs would come out as large numbers, which is why they are refused where weights are packed.
/// </remarks>
internal readonly unsafe struct Float16Element<TSimd, TVector> : IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    private const uint SignExponentMantissa = 0x8FFF_E000;

    // 2^(127 - 15) as float32 bits.
    private const uint BiasDifference = (127 + 127 - 15) << 23;

    public static int ScaleBytes => 0;

    public static int PairBytes => 2 * TSimd.Count * sizeof(uint);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* group, out TVector first, out TVector second) => first = second = TSimd.Zero;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = Widen(TSimd.ShiftBitsLeft(TSimd.Load((float*)pair), 16));
        second = Widen(TSimd.ShiftBitsLeft(TSimd.Load((float*)pair + TSimd.Count), 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = Widen(TSimd.Load((float*)pair));
        second = Widen(TSimd.Load((float*)pair + TSimd.Count));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Widen(TVector upperHalf) => TSimd.Multiply(
        TSimd.AndBits(TSimd.ShiftBitsRightArithmetic(upperHalf, 3), TSimd.BroadcastBits(SignExponentMantissa)),
        TSimd.BroadcastBits(BiasDifference));
}

/// <summary>8-bit integers, each row's scaled by a number of its own for every group of columns.</summary>
internal readonly unsafe struct Int8Element<TSimd, TVector> : IPanelElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    public static int ScaleBytes => 2 * TSimd.Count * sizeof(float);

    public static int PairBytes => 4 * TSimd.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(byte* group, out TVector first, out TVector second)
    {
        first = TSimd.Load((float*)group);
        second = TSimd.Load((float*)group + TSimd.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Even(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = TSimd.Multiply(TSimd.LoadInt8((sbyte*)pair), firstScale);
        second = TSimd.Multiply(TSimd.LoadInt8((sbyte*)pair + TSimd.Count), secondScale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Odd(byte* pair, TVector firstScale, TVector secondScale, out TVector first, out TVector second)
    {
        first = TSimd.Multiply(TSimd.LoadInt8((sbyte*)pair + (2 * TSimd.Count)), firstScale);
        second = TSimd.Multiply(TSimd.LoadInt8((sbyte*)pair + (3 * TSimd.Count)), secondScale);
    }
}
