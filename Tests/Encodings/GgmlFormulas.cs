using System.Numerics;
using System.Runtime.InteropServices;
using NativeFfn.Backends.Encodings.Ggml;
using NativeFfn.Tests.Support;

namespace NativeFfn.Tests.Encodings;

/// <summary>
/// The value of an element of ggml's blocks by its closed form, one at a time in float64. Of the product it has the grids alone, which a
/// test holds to ggml's.
/// </summary>
/// <param name="b">The block.</param>
internal sealed class GgmlFormulas(byte[] b)
{
    private static readonly double[] E2M1 = [0, .5, 1, 1.5, 2, 3, 4, 6, 0, -.5, -1, -1.5, -2, -3, -4, -6];
    private static readonly double[] Iq4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>Element i of a block of a type.</summary>
    public float Value(string type, int i) => (float)(type switch
    {
        "q4_0" => F16(0) * (Nibble(2, i, 16) - 8),
        "q4_1" => (F16(0) * Nibble(4, i, 16)) + F16(2),
        "q5_0" => F16(0) * (Nibble(6, i, 16) + (16 * Bit(2, i)) - 16),
        "q5_1" => (F16(0) * (Nibble(8, i, 16) + (16 * Bit(4, i)))) + F16(2),
        "q8_0" => F16(0) * (sbyte)b[2 + i],
        "q2_k" => (F16(80) * (b[i / 16] & 15) * Two(16, i)) - (F16(82) * (b[i / 16] >> 4)),
        "q3_k" => F16(108) * (Scale3(i / 16) - 32) * (Two(32, i) - (((b[i % 32] >> (i / 32)) & 1) == 1 ? 0 : 4)),
        "q4_k" => (F16(0) * Scale4(i / 32).S * Nibble(16 + (i / 64 * 32), i % 64, 32)) - (F16(2) * Scale4(i / 32).M),
        "q5_k" => (F16(0) * Scale4(i / 32).S * (Nibble(48 + (i / 64 * 32), i % 64, 32) + (16 * ((b[16 + (i % 32)] >> (i / 32)) & 1))))
            - (F16(2) * Scale4(i / 32).M),
        "q6_k" => F16(208) * (sbyte)b[192 + (i / 16)] * (Nibble(i / 128 * 64, i % 128, 64) + (16 * Two(128, i)) - 32),
        "iq4_nl" => F16(0) * Iq4[Nibble(2, i, 16)],
        "iq4_xs" => F16(0) * (Half(4, i / 32) + (16 * ((U16(2) >> (i / 32 * 2)) & 3)) - 32) * Iq4[Nibble(8 + (i / 32 * 16), i % 32, 16)],
        "mxfp4" => b[0] == 255 ? double.NaN : E2M1[Nibble(1, i, 16)] * Math.Pow(2, b[0] - 127),
        "nvfp4" => Ue4M3(b[i / 16]) * E2M1[Nibble(4 + (i / 16 * 8), i % 16, 8)],
        "q1_0" => F16(0) * (Bit(2, i) == 1 ? 1 : -1),
        "q2_0" => F16(0) * (((b[2 + (i / 4)] >> (i % 4 * 2)) & 3) - 1),
        "tq2_0" => F16(64) * (Two(0, i) - 1),
        "tq1_0" => F16(52)
            * (i < 160 ? Trit(i % 32, i / 32) : i < 240 ? Trit(32 + (i % 16), (i - 160) / 16) : Trit(48 + (i % 4), (i - 240) / 4)),
        "iq2_xxs" => Quarter(U32(6 + (i / 32 * 8)) >> 28) * Grid(IqGrid.Iq2Xxs, b[2 + (i / 32 * 8) + (i / 8 % 4)], i)
            * Parity(U32(6 + (i / 32 * 8)) >> (i / 8 % 4 * 7), i),
        "iq2_xs" => Quarter(Half(66, i / 16)) * Grid(IqGrid.Iq2Xs, U16(2 + (i / 8 * 2)) & 511, i) * Parity(U16(2 + (i / 8 * 2)) >> 9, i),
        "iq2_s" => Quarter(Half(74, i / 16))
            * Grid(IqGrid.Iq2S, b[2 + (i / 8)] | (((b[66 + (i / 32)] >> (i / 8 % 4 * 2)) & 3) << 8), i) * Minus(Bit(34, i)),
        "iq3_xxs" => 2 * Quarter(U32(66 + (i / 32 * 4)) >> 28) * Grid(IqGrid.Iq3Xxs, b[2 + (i / 4)], i)
            * Parity(U32(66 + (i / 32 * 4)) >> (i / 8 % 4 * 7), i),
        "iq3_s" => F16(0) * (1 + (2 * Half(106, i / 32)))
            * Grid(IqGrid.Iq3S, b[2 + (i / 4)] | (Bit(66, i / 4) << 8), i) * Minus(Bit(74, i)),
        "iq1_s" => F16(0) * ((2 * ((U16(34 + (i / 32 * 2)) >> 12) & 7)) + 1)
            * (Grid(IqGrid.Iq1, b[2 + (i / 8)] | (((U16(34 + (i / 32 * 2)) >> (i / 8 % 4 * 3)) & 7) << 8), i)
                + (.125 * Minus(U16(34 + (i / 32 * 2)) >> 15))),
        "iq1_m" => ScaleOfNibbles() * ((2 * ((U16(48 + (i / 64 * 2)) >> (i / 16 % 4 * 3)) & 7)) + 1)
            * (Grid(IqGrid.Iq1, b[i / 8] | ((Half(32, i / 8) & 7) << 8), i) + (.125 * Minus(Half(32, i / 8) >> 3))),
        _ => throw new ArgumentException(type),
    });

    private double F16(int at) => NumberFormat.Float16.Decode((uint)U16(at));

    private int U16(int at) => b[at] + (256 * b[at + 1]);

    private uint U32(int at) => (uint)U16(at) + ((uint)U16(at + 2) << 16);

    private int Bit(int at, int i) => (b[at + (i / 8)] >> (i % 8)) & 1;

    // A nibble of half as many bytes, the low ones first; and one of a byte for each two.
    private int Nibble(int at, int i, int half) => (b[at + (i % half)] >> (i / half * 4)) & 15;

    private int Half(int at, int i) => (b[at + (i / 2)] >> (i % 2 * 4)) & 15;

    private int Two(int at, int i) => (b[at + (i / 128 * 32) + (i % 32)] >> (i % 128 / 32 * 2)) & 3;

    private int Scale3(int group) =>
        ((b[96 + (group % 8)] >> (group / 8 * 4)) & 15) | (((b[104 + (group % 4)] >> (group / 4 * 2)) & 3) << 4);

    private (int S, int M) Scale4(int j) => j < 4
        ? (b[4 + j] & 63, b[8 + j] & 63)
        : ((b[8 + j] & 15) | ((b[j] >> 6) << 4), (b[8 + j] >> 4) | ((b[4 + j] >> 6) << 4));

    private static double Ue4M3(int x) => x is 0 or 0x7F ? 0 : ((x >> 3) & 15, x & 7) switch
    {
        (0, var m) => m * Math.Pow(2, -9),
        var (e, m) => (1 + (m / 8.0)) * Math.Pow(2, e - 7),
    };

    private int Trit(int at, int n) => ((b[at] * (int)Math.Pow(3, n) % 256 * 3) >> 8) - 1;

    private double Quarter(long s) => F16(0) * (.5 + s) / 4;

    private double ScaleOfNibbles() =>
        NumberFormat.Float16.Decode((uint)Enumerable.Range(0, 4).Sum(t => (U16(48 + (2 * t)) >> 12) << (4 * t)));

    private static double Minus(int bit) => bit == 0 ? 1 : -1;

    private static double Parity(long bits, int i) => i % 8 < 7
        ? Minus((int)(bits >> (i % 8)) & 1)
        : Minus(BitOperations.PopCount((ulong)bits & 127) & 1);

    private static double Grid<T>(T[] grid, int entry, int i)
        where T : unmanaged
    {
        ReadOnlySpan<sbyte> values = MemoryMarshal.Cast<T, sbyte>(grid.AsSpan(entry, 1));
        return values[i % values.Length];
    }
}
