using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>w = f16(0) · int8(b[2 + i]).</summary>
internal readonly struct Q8_0 : IIntegerBlock
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
    public static int Bits => 8;

    /// <inheritdoc/>
    public static bool HasOffsets => false;

    /// <inheritdoc/>
    public static (float Scale, float Offset) ReadIntegers(ReadOnlySpan<byte> block, int group, Span<sbyte> integers)
    {
        Lanes.Load(block, ScaleBytes).AsSByte().CopyTo(integers);
        Lanes.Load(block, ScaleBytes + Lanes.Count).AsSByte().CopyTo(integers[Lanes.Count..]);
        return (Lanes.Half(block, 0), 0);
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 0);
        Lanes.Store(Lanes.Load(block, ScaleBytes).AsSByte(), scale, weights);
        Lanes.Store(Lanes.Load(block, ScaleBytes + Lanes.Count).AsSByte(), scale, weights[Lanes.Count..]);
    }
}
