using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Backends.Encodings;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>Codes of checkpoints by the kernels that unpack them in registers: the weights of their decoder, and float64 sums of those.</summary>
public sealed class StoredCodeTests
{
    private const int Rows = 37;

    // Around units of 16, groups of 32, blocks of 256 and 512 columns.
    private static readonly int[] ColumnCounts = [1, 15, 17, 33, 257, 513, 1100];

    private static readonly int[] TokenCounts = [1, 2, 3, 4, 6, 8, 11, 12, 13, 25];

    private static bool FusesProducts => Fma.IsSupported || AdvSimd.IsSupported;

    private static float[] WeightsOf(PackedMatrix packed)
    {
        float[] unpacked = packed.Unpack();
        int stride = packed.Panels * packed.Kernel.Rows;
        return [.. Enumerable.Range(0, packed.Rows * packed.Columns).Select(i => unpacked[(i % packed.Columns * stride) + (i / packed.Columns)])];
    }

    [Test]
    public void Weights_are_those_of_the_decoder_bit_by_bit_or_a_rounding_of_their_scale_away(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits,
        [ValueSource(typeof(StoredCodes), nameof(StoredCodes.Names))] string name, [ValueSource(nameof(ColumnCounts))] int columns)
    {
        byte[] rows = StoredCodes.RandomRows(name, Rows, columns);
        float[] expected = StoredCodes.Decode(name, rows, columns);
        PanelKernel kernel = PanelKernels.Of(bits, StoredCodes.Of(name, columns), TokenType.Float32);
        Assert.That(kernel.IsDecoded, Is.False);
        expected = StoredCodes.InOrder(kernel, expected, columns);
        using var packed = new PackedMatrix(kernel, columns, rows);
        float[] actual = WeightsOf(packed);
        CodeForm form = kernel.Encoding.Codes!;

        // Without a fused product a scale of float32 and its zero point are rounded apart.
        bool isExact = !StoredCodes.IsRoundedTwice(name) && (FusesProducts || form.Scale != ScaleType.Float32 || form.Steps != StepType.None);
        for (int i = 0; i < actual.Length; i++)
        {
            double allowed = isExact ? 0 : Tolerances.RoundedStep * Math.Abs(expected[i]) + (FusesProducts ? 0 : 1e-7 * (1 << form.Bits));
            Assert.That(actual[i], Is.EqualTo(expected[i]).Within(allowed), $"row {i / columns}, column {i % columns}");
        }
    }

    [Test]
    public void Columns_and_rows_that_fill_a_panel_are_finite(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits,
        [ValueSource(typeof(StoredCodes), nameof(StoredCodes.Names))] string name)
    {
        using var packed = new PackedMatrix(
            PanelKernels.Of(bits, StoredCodes.Of(name, 33), TokenType.Float32), 33, StoredCodes.RandomRows(name, Rows, 33));
        Assert.That(Array.TrueForAll(packed.Unpack(), float.IsFinite));
    }

    [Test]
    public void Sums_are_those_of_the_decoded_weights(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits,
        [ValueSource(typeof(StoredCodes), nameof(StoredCodes.Names))] string name, [Values(33, 700)] int columns, [Values] GuardSide side)
    {
        byte[] rows = StoredCodes.RandomRows(name, Rows, columns);
        float[] decoded = StoredCodes.Decode(name, rows, columns);
        using var packed = new PackedMatrix(PanelKernels.Of(bits, StoredCodes.Of(name, columns), TokenType.Float32), columns, rows, side);
        foreach (int count in TokenCounts)
        {
            float[] tokens = RandomLayers.Rows(count, columns, count);
            float[] sums = PanelProduct.Of(packed, tokens, side: side);
            for (int i = 0; i < sums.Length; i++)
            {
                (double sum, double magnitudes) = (0, 0);
                for (int column = 0; column < columns; column++)
                {
                    double product = (double)decoded[(i % Rows * columns) + column] * tokens[(i / Rows * columns) + column];
                    (sum, magnitudes) = (sum + product, magnitudes + Math.Abs(product));
                }

                Assert.That(sums[i], Is.EqualTo(sum).Within(Tolerances.OfDot(columns, magnitudes)), $"{count} tokens, sum {i}");
            }
        }
    }

    // The tiles of 8 and 12 tokens that only the widest vectors ask for, on all of them; and what is widened first.
    [Test]
    public void Tiles_of_every_size_and_widened_weights_give_the_same_bits(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits,
        [ValueSource(typeof(StoredCodes), nameof(StoredCodes.Names))] string name)
    {
        const int Columns = 600;
        const int Count = 31;
        byte[] rows = StoredCodes.RandomRows(name, Rows, Columns);
        using var packed = new PackedMatrix(PanelKernels.Of(bits, StoredCodes.Of(name, Columns), TokenType.Float32), Columns, rows);
        float[] tokens = RandomLayers.Rows(Count, Columns, 61);
        float[] expected = PanelProduct.Of(packed, tokens);
        foreach (int most in (int[])[1, 2, 4, 6, 8, 12])
        {
            Assert.That(PanelProduct.Of(packed, tokens, mostTokens: most), Is.EqualTo(expected), $"tiles of {most}");
        }

        using var widened = new PackedMatrix(PanelKernels.Of(bits, WeightEncodings.Float32, TokenType.Float32), Columns, WeightsOf(packed));
        Assert.That(PanelProduct.Of(widened, StoredCodes.InOrder(packed.Kernel, tokens, Columns)), Is.EqualTo(expected));
    }

    [TestCase("q4_0", 0, 0x7E00)]
    [TestCase("q4_0", 0, 0x7C00)]
    [TestCase("q4_0", 0, 0xFC00)]
    [TestCase("q6_k", 208, 0x7E00)]
    [TestCase("mlx4", 2, 0x7FC0)]
    [TestCase("mxfp4 of gpt-oss", 1, 0xFFFF)]
    [TestCase("nvfp4 of modelopt", 1, 0x7F7F)]
    [TestCase("fp8 by blocks", 80, 0x7FFF)]
    public void What_is_no_number_makes_the_sums_of_its_row_such_and_no_others(string name, int place, int odd)
    {
        const int Columns = 256;
        WeightEncoding encoding = StoredCodes.Of(name, Columns);
        PanelKernel kernel = PanelKernel.Of(encoding);
        byte[] rows = StoredCodes.RandomRows(name, Rows, Columns);
        float[] tokens = RandomLayers.Rows(5, Columns, 2);
        using var clean = new PackedMatrix(kernel, Columns, rows);
        MemoryMarshal.Write(rows.AsSpan((3 * rows.Length / Rows) + place), (ushort)odd);
        using var packed = new PackedMatrix(kernel, Columns, rows);
        float[] expected = PanelProduct.Of(clean, tokens);
        float[] sums = PanelProduct.Of(packed, tokens);
        for (int i = 0; i < sums.Length; i++)
        {
            Assert.That(sums[i], i % Rows == 3 ? Is.Not.InRange(float.MinValue, float.MaxValue) : Is.EqualTo(expected[i]), $"sum {i}");
        }
    }

    [Test]
    public void Panels_take_little_more_than_what_is_stored(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits,
        [ValueSource(typeof(StoredCodes), nameof(StoredCodes.Names))] string name)
    {
        const int Columns = 4096;
        PanelKernel kernel = PanelKernels.Of(bits, StoredCodes.Of(name, Columns), TokenType.Float32);
        double ratio = (double)kernel.PanelBytes(Columns) / (kernel.Rows * kernel.Encoding.RowBytes(Columns));
        TestContext.Out.WriteLine($"{name}: {ratio:0.000} of the stored bytes");

        // 3 bits take the room of 4, trits that of 2 bits, 5 bits that of 6, 7 bits that of 8; two steps of 4 bits a byte each; points of a
        // lattice that of their numbers.
        double most = name switch
        {
            "iq1_m" => 2.65,
            "iq2_xxs" => 2.1,
            "iq2_xs" => 2.0,
            "q1_0" => 1.9,
            "iq2_s" => 1.81,
            "iq1_s" => 1.77,
            "iq3_xxs" => 1.42,
            "iq3_s" => 1.36,
            "q2_k" => 1.25,
            "tq1_0" => 1.23,
            _ => kernel.Encoding.Codes!.Bits switch { 3 => 1.36, 5 => 1.23, _ => 1.1 },
        };
        Assert.That(ratio, Is.LessThanOrEqualTo(most));
    }
}
