using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>w = f16(0) · (q - 8); q is a nibble of 16 bytes from 2 on, the low ones first.</summary>
internal readonly struct Q4_0 : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q4_0";

    /// <inheritdoc/>
    public static int Columns => 32;

    /// <inheritdoc/>
    public static int Bytes => 18;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(4, 32) { Scale = ScaleType.Float16, Zero = 8 };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Lanes.CopyNibbles(block, 2, codes);
        return new CodeScale(Lanes.Half(block, 0));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        Vector128<byte> nibbles = Lanes.Load(block, 2);
        Vector128<sbyte> middle = Vector128.Create((sbyte)8);
        Lanes.Store(Lanes.Bits(nibbles, 0, 15).AsSByte() - middle, scale, weights);
        Lanes.Store(Lanes.Bits(nibbles, 4, 15).AsSByte() - middle, scale, weights[Lanes.Count..]);
    }
}

/// <summary>w = f16(0) · q + f16(2); q is a nibble of 16 bytes from 4 on, the low ones first.</summary>
internal readonly struct Q4_1 : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q4_1";

    /// <inheritdoc/>
    public static int Columns => 32;

    /// <inheritdoc/>
    public static int Bytes => 20;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(4, 32) { Scale = ScaleType.Float16, HasMinima = true };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Lanes.CopyNibbles(block, 4, codes);
        return new CodeScale(Lanes.Half(block, 0), Minimum: Lanes.Half(block, 2));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        float least = Lanes.Half(block, 2);
        Vector128<byte> nibbles = Lanes.Load(block, 4);
        Lanes.Store(Lanes.Bits(nibbles, 0, 15), scale, least, weights);
        Lanes.Store(Lanes.Bits(nibbles, 4, 15), scale, least, weights[Lanes.Count..]);
    }
}
