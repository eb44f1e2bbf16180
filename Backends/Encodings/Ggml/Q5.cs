using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = f16(0) · (q - 16); q is a nibble of 16 bytes from 6 on, the low ones first, and above it bit i of the integer at 2.
/// </summary>
internal readonly struct Q5_0 : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q5_0";

    /// <inheritdoc/>
    public static int Columns => 32;

    /// <inheritdoc/>
    public static int Bytes => 22;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(5, 32) { Scale = ScaleType.Float16, Zero = 16 };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Q5_1.CopyCodes(block, 2, codes);
        return new CodeScale(Lanes.Half(block, 0));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        uint top = Lanes.UInt32(block, 2);
        Vector128<byte> nibbles = Lanes.Load(block, 6);
        Vector128<sbyte> middle = Vector128.Create((sbyte)16);
        Lanes.Store(Q5_1.Join(Lanes.Bits(nibbles, 0, 15), top).AsSByte() - middle, scale, weights);
        Lanes.Store(Q5_1.Join(Lanes.Bits(nibbles, 4, 15), top >> Lanes.Count).AsSByte() - middle, scale, weights[Lanes.Count..]);
    }
}

/// <summary>
/// w = f16(0) · q + f16(2); q is a nibble of 16 bytes from 8 on, the low ones first, and above it bit i of the integer at 4.
/// </summary>
internal readonly struct Q5_1 : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q5_1";

    /// <inheritdoc/>
    public static int Columns => 32;

    /// <inheritdoc/>
    public static int Bytes => 24;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(5, 32) { Scale = ScaleType.Float16, HasMinima = true };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        CopyCodes(block, 4, codes);
        return new CodeScale(Lanes.Half(block, 0), Minimum: Lanes.Half(block, 2));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        float least = Lanes.Half(block, 2);
        uint top = Lanes.UInt32(block, 4);
        Vector128<byte> nibbles = Lanes.Load(block, 8);
        Lanes.Store(Join(Lanes.Bits(nibbles, 0, 15), top), scale, least, weights);
        Lanes.Store(Join(Lanes.Bits(nibbles, 4, 15), top >> Lanes.Count), scale, least, weights[Lanes.Count..]);
    }

    /// <summary>Reads 32 codes: their fifth bits from an offset on, and their nibbles after these.</summary>
    internal static void CopyCodes(ReadOnlySpan<byte> block, int offset, Span<byte> codes)
    {
        uint top = Lanes.UInt32(block, offset);
        Vector128<byte> nibbles = Lanes.Load(block, offset + sizeof(uint));
        Join(Lanes.Bits(nibbles, 0, 15), top).CopyTo(codes);
        Join(Lanes.Bits(nibbles, 4, 15), top >> Lanes.Count).CopyTo(codes[Lanes.Count..]);
    }

    /// <summary>Nibbles with a fifth bit each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> Join(Vector128<byte> nibbles, uint top) => nibbles | (Lanes.Spread(top) & Vector128.Create((byte)16));
}
