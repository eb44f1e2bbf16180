using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>What the decoders of block types have in common: small integers in 16 lanes of a byte each, and their way to float32.</summary>
internal static class Lanes
{
    /// <summary>Weights that are decoded together.</summary>
    public const int Count = 16;

    /// <summary>f16(o), exactly.</summary>
    public static float Half(ReadOnlySpan<byte> block, int offset) => (float)BitConverter.UInt16BitsToHalf(UInt16(block, offset));

    /// <summary>The two bytes from an offset on.</summary>
    public static ushort UInt16(ReadOnlySpan<byte> block, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(block[offset..]);

    /// <summary>The four bytes from an offset on.</summary>
    public static uint UInt32(ReadOnlySpan<byte> block, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(block[offset..]);

    /// <summary>The eight bytes from an offset on.</summary>
    public static ulong UInt64(ReadOnlySpan<byte> block, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(block[offset..]);

    /// <summary>The 16 bytes from an offset on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load(ReadOnlySpan<byte> block, int offset) => Vector128.Create(block.Slice(offset, Count));

    /// <summary>b >> shift &amp; mask of every lane, for masks that what comes from the lane above does not reach.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Bits(Vector128<byte> bytes, int shift, byte mask) =>
        (bytes.AsUInt16() >>> shift).AsByte() & Vector128.Create(mask);

    /// <summary>The nibbles of 16 bytes, the low ones first.</summary>
    /// <param name="block">The block.</param>
    /// <param name="offset">Where the bytes begin.</param>
    /// <param name="codes">Receives twice <see cref="Count"/> nibbles.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CopyNibbles(ReadOnlySpan<byte> block, int offset, Span<byte> codes)
    {
        Vector128<byte> nibbles = Load(block, offset);
        Bits(nibbles, 0, 15).CopyTo(codes);
        Bits(nibbles, 4, 15).CopyTo(codes[Count..]);
    }

    /// <summary>255 in the lanes whose bit is set, the lowest bit being the first lane's; else 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Spread(uint bits)
    {
        Vector128<byte> lanes = Vector128.Shuffle(
            Vector128.CreateScalar(bits).AsByte(), Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
        Vector128<byte> own = Vector128.Create((byte)1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        return Vector128.Equals(lanes & own, own);
    }

    /// <summary>-q in the lanes whose bit is set; else q.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Negate(Vector128<sbyte> values, uint bits)
    {
        Vector128<sbyte> mask = Spread(bits).AsSByte();
        return (values ^ mask) - mask;
    }

    /// <summary>w = scale · q.</summary>
    /// <param name="values">q.</param>
    /// <param name="scale">The scale.</param>
    /// <param name="weights">Receives <see cref="Count"/> weights.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<sbyte> values, float scale, Span<float> weights)
    {
        (Vector256<float> low, Vector256<float> high) = Widen(values);
        (low * scale).CopyTo(weights);
        (high * scale).CopyTo(weights[Vector256<float>.Count..]);
    }

    /// <summary>w = scale · q + offset.</summary>
    /// <param name="values">q.</param>
    /// <param name="scale">The scale.</param>
    /// <param name="offset">The offset.</param>
    /// <param name="weights">Receives <see cref="Count"/> weights.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<byte> values, float scale, float offset, Span<float> weights)
    {
        (Vector256<float> low, Vector256<float> high) = Widen(values.AsSByte());
        Vector256<float> added = Vector256.Create(offset);
        ((low * scale) + added).CopyTo(weights);
        ((high * scale) + added).CopyTo(weights[Vector256<float>.Count..]);
    }

    /// <summary>w = scale · (q + offset_low) of the first eight lanes, scale · (q + offset_high) of the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreShifted(Vector128<sbyte> values, float scale, float lowOffset, float highOffset, Span<float> weights)
    {
        (Vector256<float> low, Vector256<float> high) = Widen(values);
        ((low + Vector256.Create(lowOffset)) * scale).CopyTo(weights);
        ((high + Vector256.Create(highOffset)) * scale).CopyTo(weights[Vector256<float>.Count..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> Low, Vector256<float> High) Widen(Vector128<sbyte> values)
    {
        (Vector256<int> low, Vector256<int> high) = Vector256.Widen(Vector256.WidenLower(values.ToVector256Unsafe()));
        return (Vector256.ConvertToSingle(low), Vector256.ConvertToSingle(high));
    }
}
