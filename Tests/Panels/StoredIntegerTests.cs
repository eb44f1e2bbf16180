using System.Runtime.InteropServices;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Encodings;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>Weights that others stored as integers, multiplied as those and not quantised anew: sums of what they decode to.</summary>
public sealed class StoredIntegerTests
{
    private const int Rows = 21;

    private const int Columns = 512;

    private static readonly string[] OfGgml = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k", "q5_k", "q3_k", "q6_k", "q1_0", "q2_0", "tq1_0", "tq2_0", "iq1_s"];

    // Of 4 bits, which stand for integers of 8.
    private static readonly string[] Tables =
    [
        "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_nl", "iq4_xs", "mxfp4", "nvfp4", "nvfp4 scaled", "mxfp4 of gpt-oss", "nvfp4 of modelopt",
        "nvfp4 of compressed-tensors",
    ];

    private static readonly (string Name, int Bits, int Group, int Zero, bool HasZeros, bool HasMinima, float Factor)[] Grouped =
    [
        ("sym4", 4, 128, 8, false, false, 1), ("sym8", 8, 32, 128, false, false, 1), ("shifted4", 4, 64, 7, false, false, 1), ("asym4", 4, 32, 0, true, false, 1),
        ("asym3", 3, 64, 0, true, false, 1), ("asym8", 8, 128, 0, true, false, 1), ("affine4", 4, 64, 0, false, true, 1),
        ("affine6", 6, 32, 0, false, true, 1), ("scaled2", 2, 32, 2, false, false, 0.37f),
        ("halves4", 4, 16, 8, false, false, 1), ("halves8", 8, 16, 128, false, false, 1), ("ordered4", 4, 64, 0, true, false, 1), ("ordered8", 8, 32, 128, false, false, 1),
    ];

    // Groups of these hold columns from everywhere.
    private static readonly string[] Shuffled = ["ordered4", "ordered8"];

    private static IEnumerable<string> Encodings => [.. OfGgml, .. Tables, .. Grouped.Select(static format => format.Name)];

    private static WeightEncoding Of(string name)
    {
        if (OfGgml.Contains(name) || Tables.Contains(name))
        {
            return StoredCodes.Of(name, Columns);
        }

        var found = Grouped.Single(format => format.Name == name);
        return new GroupedCodes(new GroupedFormat
        {
            Name = name, Bits = found.Bits, Groups = Columns / found.Group, GroupColumns = found.Group, Scale = ScaleType.Float16, Zero = found.Zero,
            HasZeros = found.HasZeros, HasMinima = found.HasMinima, Factor = found.Factor,
            GroupOf = Shuffled.Contains(name) ? StoredCodes.Shuffle(Columns, found.Group) : null,
        });
    }

    // Random bytes, but for scales and minima, which stand at the head of a row, and are made small numbers.
    private static byte[] RandomRows(string name, WeightEncoding encoding)
    {
        if (encoding is not GroupedCodes codes || Tables.Contains(name))
        {
            return StoredCodes.RandomRows(name, Rows, Columns);
        }

        var random = new Random(encoding.Name.Length + encoding.BlockBytes);
        int rowBytes = (int)encoding.RowBytes(Columns);
        byte[] rows = new byte[Rows * rowBytes];
        random.NextBytes(rows);
        for (int row = 0; row < Rows; row++)
        {
            Span<byte> bytes = rows.AsSpan(row * rowBytes, rowBytes);
            Shrink(bytes[..codes.ZeroOffset], random);
            foreach (ref byte zero in bytes[codes.ZeroOffset..codes.HeaderBytes])
            {
                zero = (byte)(zero % (1 << codes.Format.Bits));
            }
        }

        return rows;
    }

    private static void Shrink(Span<byte> halves, Random random)
    {
        foreach (ref Half half in MemoryMarshal.Cast<byte, Half>(halves))
        {
            half = (Half)((random.NextDouble() * 0.2) - 0.1);
        }
    }

    [Test]
    public void Sums_are_those_of_the_decoded_weights(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [ValueSource(nameof(Encodings))] string name,
        [Values(FfnPrecision.Int8, FfnPrecision.W8A8)] FfnPrecision precision)
    {
        WeightEncoding encoding = Of(name);
        byte[] rows = RandomRows(name, encoding);
        int rowBytes = rows.Length / Rows;
        float[] decoded = new float[Rows * Columns];
        for (int row = 0; row < Rows; row++)
        {
            encoding.Decode(rows.AsSpan(row * rowBytes, rowBytes), 0, decoded.AsSpan(row * Columns, Columns));
        }

        using var packed = new PackedMatrix(PanelKernels.Of(bits, encoding, TokenTypes.Of(precision)), Columns, rows);
        float[] tokens = RandomLayers.Rows(9, Columns, 3);
        float[] rounded = StoredTokens.Of(precision, StoredCodes.InOrder(packed.Kernel, tokens, Columns), Columns);
        decoded = StoredCodes.InOrder(packed.Kernel, decoded, Columns);
        float[] sums = PanelProduct.Of(packed, tokens);
        for (int i = 0; i < sums.Length; i++)
        {
            (double sum, double magnitudes) = (0, 0);
            for (int column = 0; column < Columns; column++)
            {
                double product = (double)decoded[(i % Rows * Columns) + column] * rounded[(i / Rows * Columns) + column];
                (sum, magnitudes) = (sum + product, magnitudes + Math.Abs(product));
            }

            // An offset is the sum of numbers that may be larger than the weights.
            Assert.That(sums[i], Is.EqualTo(sum).Within(8 * Tolerances.OfDot(Columns, magnitudes)));
        }
    }

    [Test]
    public void Integers_are_kept_where_they_have_no_more_bits_than_the_precision(
        [ValueSource(nameof(Encodings))] string name, [Values(FfnPrecision.Int8, FfnPrecision.Int4, FfnPrecision.W4A8, FfnPrecision.BFloat16)] FfnPrecision precision)
    {
        WeightEncoding encoding = Of(name);
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, Columns, Rows, false));
        bool isKept = precision == FfnPrecision.Int8
            || (precision != FfnPrecision.BFloat16 && !Tables.Contains(name) && name.TrimStart('q') is var rest && !"568".Any(rest.Contains));
        Assert.That(
            WeightEncodings.Choose(precision, new Source(encoding), spec.Tensors[0]), Is.SameAs(isKept ? encoding : WeightEncodings.Of(precision)));
    }

    private sealed class Source(WeightEncoding encoding) : IEncodedWeightSource
    {
        public WeightEncoding EncodingOf(FfnTensor tensor) => encoding;

        public void ReadBlocks(FfnTensor tensor, int firstRow, Span<byte> rows) => throw new NotSupportedException("Nothing is read.");

        public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination) => throw new NotSupportedException("Nothing is read.");
    }
}
