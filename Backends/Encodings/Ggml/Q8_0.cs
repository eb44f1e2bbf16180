using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>w = f16(0) · int8(b[2 + i]).</summary>
internal readonly struct Q8_0 : IGgmlBlock
{
    private const int ScaleBytes = sizeof(ushort);

    // Where codes count from zero, with the sign bit inverted.
    private const byte Zero = 128;

    /// <inheritdoc/>
    public static string Name => "q8_0";

    /// <inheritdoc/>
    public static int Columns => 32;

    /// <inheritdoc/>
    public static int Bytes => 34;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(8, 32) { Scale = ScaleType.Float16, Zero = Zero };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Vector128<byte> signs = Vector128.Create(Zero);
        (Lanes.Load(block, ScaleBytes) ^ signs).CopyTo(codes);
        (Lanes.Load(block, ScaleBytes + Lanes.Count) ^ signs).CopyTo(codes[Lanes.Count..]);
        return new CodeScale(Lanes.Half(block, 0));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        Lanes.Store(Lanes.Load(block, ScaleBytes).AsSByte(), scale, weights);
        Lanes.Store(Lanes.Load(block, ScaleBytes + Lanes.Count).AsSByte(), scale, weights[Lanes.Count..]);
    }
}
