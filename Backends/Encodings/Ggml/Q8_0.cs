using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>w = f16(0) · int8(b[2 + i]).</summary>
internal readonly struct Q8_0 : IGgmlBlock
{
    /// <summary>Bytes of the scale.</summary>
    public const int ScaleBytes = sizeof(ushort);

    /// <inheritdoc/>
    public static string Name => "q8_0";

    /// <inheritdoc/>
    public static int Columns => 32;

    /// <inheritdoc/>
    public static int Bytes => 34;

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        Lanes.Store(Lanes.Load(block, ScaleBytes).AsSByte(), scale, weights);
        Lanes.Store(Lanes.Load(block, ScaleBytes + Lanes.Count).AsSByte(), scale, weights[Lanes.Count..]);
    }
}
