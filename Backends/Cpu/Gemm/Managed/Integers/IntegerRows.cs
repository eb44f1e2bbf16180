using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeFfn.Backends.Cpu.Gemm.Managed.Integers;

/// <summary>Rounds rows of tokens to integers, 32 neighbouring elements to a scale: x ≈ scale · q, scale = max|x| / largest.</summary>
/// <remarks>
/// A group whose largest element is not finite has NaN for a scale, so that the token's sums are NaN and no other's. One that is so small
/// that the reciprocal of its scale passes float32, below 1e-34, is zero.
/// </remarks>
internal static unsafe class IntegerRows
{
    private const int MagnitudeBits = 0x7FFF_FFFF;
    private const int BitsOfByte = 8;

    // The orders of TokenForm.BytesForHalves and TokenForm.BytesForBytes.
    private static readonly Vector128<byte> ByHalves = Vector128.Create((byte)0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    private static readonly Vector128<byte> ByBytes = Vector128.Create((byte)0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);

    /// <summary>Writes a group of a token.</summary>
    /// <param name="row">Its <see cref="PanelFormat.GroupColumns"/> elements.</param>
    /// <param name="form">How integers lie.</param>
    /// <param name="size">Tokens of the tile.</param>
    /// <param name="group">Receives <see cref="TokenForm.GroupElements"/>.</param>
    public static void Write(float* row, TokenForm form, int size, float* group)
    {
        Vector256<float> a = Vector256.Load(row), b = Vector256.Load(row + 8), c = Vector256.Load(row + 16), d = Vector256.Load(row + 24);
        (float scale, float inverse) = Scale(a, b, c, d, form.Largest);
        Vector256<int> ia = Round(a, inverse), ib = Round(b, inverse), ic = Round(c, inverse), id = Round(d, inverse);
        Vector256<short> low = Vector256.NarrowWithSaturation(ia, ib), high = Vector256.NarrowWithSaturation(ic, id);
        if (form.IsBytes)
        {
            StoreBytes(Vector256.NarrowWithSaturation(low, high).AsByte(), form.IsForHalves && !form.IsByToken(size) ? ByHalves : ByBytes, (byte*)group);
        }
        else if (form.IsByToken(size))
        {
            StoreSplit(low, high, Vector256<short>.Zero, ByBytes, (byte*)group);
        }
        else if (form.IsSplit(size))
        {
            // What lower bytes with a sign may be short of.
            StoreSplit(low, high, Vector256.Create((short)128), ByHalves, (byte*)group);
        }
        else
        {
            low.Store((short*)group);
            high.Store((short*)group + Vector256<short>.Count);
        }

        float* numbers = group + form.Lanes;
        numbers[0] = scale;
        if (form.Parts == 1 || form.Zero == 0)
        {
            int sum = Vector256.Sum((ia + ib) + (ic + id));
            numbers[1] = scale * sum;
            if (form.Zero != 0)
            {
                numbers[2] = BitConverter.Int32BitsToSingle(-form.Zero * sum);
            }
        }
        else
        {
            (int first, int second) = (Vector256.Sum(ia + ib), Vector256.Sum(ic + id));
            numbers[1] = scale * (first + second);
            numbers[2] = BitConverter.Int32BitsToSingle(-form.Zero * first);
            numbers[3] = BitConverter.Int32BitsToSingle(-form.Zero * second);
        }
    }

    // Upper bytes of words, to which something is added, then lower ones.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreSplit(Vector256<short> low, Vector256<short> high, Vector256<short> added, Vector128<byte> order, byte* destination)
    {
        Vector256<ushort> lower = Vector256.Create((ushort)byte.MaxValue);
        StoreBytes(Vector256.Narrow((low + added).AsUInt16() >>> BitsOfByte, (high + added).AsUInt16() >>> BitsOfByte), order, destination);
        StoreBytes(Vector256.Narrow(low.AsUInt16() & lower, high.AsUInt16() & lower), order, destination + Vector256<byte>.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreBytes(Vector256<byte> bytes, Vector128<byte> order, byte* destination)
    {
        Vector128.Shuffle(bytes.GetLower(), order).Store(destination);
        Vector128.Shuffle(bytes.GetUpper(), order).Store(destination + Vector128<byte>.Count);
    }

    // As integers, magnitudes are in the same order, with those that are not finite above all numbers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (float Scale, float Inverse) Scale(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d, int largest)
    {
        Vector256<int> mask = Vector256.Create(MagnitudeBits);
        Vector256<int> most = Vector256.Max(
            Vector256.Max(a.AsInt32() & mask, b.AsInt32() & mask), Vector256.Max(c.AsInt32() & mask, d.AsInt32() & mask));
        Vector128<int> half = Vector128.Max(most.GetLower(), most.GetUpper());
        half = Vector128.Max(half, Vector128.Shuffle(half, Vector128.Create(2, 3, 0, 1)));
        float magnitude = BitConverter.Int32BitsToSingle(Math.Max(half[0], half[1]));
        float inverse = largest / magnitude;
        return !float.IsFinite(magnitude) ? (float.NaN, 0)
            : float.IsFinite(inverse) ? (magnitude / largest, inverse)
            : (0, 0);
    }

    // To nearest even, which one instruction of x86 does. Of what is not finite any integer will do.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Round(Vector256<float> values, float inverse) => Avx.IsSupported
        ? Avx.ConvertToVector256Int32(values * inverse)
        : Vector256.ConvertToInt32Native(Vector256.Round(values * inverse));
}
