using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeFfn.Backends.Encodings.Ggml;

/// <summary>
/// w = f16(80) · (s &amp; 15) · q - f16(82) · (s >> 4); s = b[i/16] is of 16 weights, q two bits of 64 bytes from 16 on: in each half of
/// the block those of 32 weights in a row have the same place in 32 bytes.
/// </summary>
internal readonly struct Q2_K : IGgmlBlock
{
    /// <inheritdoc/>
    public static string Name => "q2_k";

    /// <inheritdoc/>
    public static int Columns => 256;

    /// <inheritdoc/>
    public static int Bytes => 84;

    /// <inheritdoc/>
    public static CodeForm Codes { get; } = new(2, Lanes.Count) { FactorColumns = 256, Steps = StepType.Integer, HasMinima = true };

    /// <inheritdoc/>
    public static CodeScale ReadCodes(ReadOnlySpan<byte> block, int group, Span<byte> codes)
    {
        Two(block, 16, group).CopyTo(codes);
        return new CodeScale(Lanes.Half(block, 80), (sbyte)(block[group] & 15), -Lanes.Half(block, 82), (sbyte)(block[group] >> 4));
    }

    /// <inheritdoc/>
    public static void Decode(ReadOnlySpan<byte> block, Span<float> weights)
    {
        float scale = Lanes.Half(block, 80);
        float offset = Lanes.Half(block, 82);
        for (int group = 0; group < 16; group++)
        {
            byte of = block[group];
            Lanes.Store(Two(block, 16, group), scale * (of & 15), -(offset * (of >> 4)), weights[(group * Lanes.Count)..]);
        }
    }

    /// <summary>b[o + i/128·32 + i%32] >> 2·(i%128/32) &amp; 3 of the 16 weights of a group.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<byte> Two(ReadOnlySpan<byte> block, int offset, int group) =>
        Lanes.Bits(Lanes.Load(block, offset + (group / 8 * 32) + (group % 2 * 16)), group % 8 / 2 * 2, 3);
}
