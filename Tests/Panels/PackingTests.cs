using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>Weights that go into panels come out as the precision's own definition says, on every width of vector.</summary>
public sealed class PackingTests
{
    // Zeros, ties and their neighbours, the edges of subnormal numbers, and the largest ones, of bf16 and f16.
    private static readonly float[] Corners =
    [
        0f, -0f, 1f, -1f, 1f / 3, -65504f, 65504f, float.BitDecrement(65520f), 2.9802322e-8f, float.BitIncrement(2.9802322e-8f), 5.9604645e-8f,
        8.940697e-8f, 6.1035156e-5f, float.BitDecrement(6.1035156e-5f), -6.0975552e-5f, 1.00048828125f, 1.00146484375f, 1.0009766f, 1.00390625f,
        1.01171875f, float.BitIncrement(1.00390625f), float.BitDecrement(1.01171875f), 1e-40f, -1e-40f, float.Epsilon, -float.Epsilon,
        1.1754944e-38f, 1.1754942e-38f, 4.5917748e-41f, 9.18355e-41f, 2049f, 257f,
    ];

    [Test]
    public void Every_matrix_comes_out_as_the_precision_holds_it(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [CpuPrecisions] FfnPrecision precision,
        [Values(1, 7, 8, 31, 33)] int rows)
    {
        foreach (int columns in (int[])[1, 31, 32, 33, 65])
        {
            float[] weights = RandomLayers.Rows(rows, columns, 10 + rows + columns);
            AssertStored(PanelKernels.Of(bits, precision), precision, columns, weights);
        }
    }

    [Test]
    public void Ties_subnormals_signed_zeros_and_the_largest_numbers_round_to_nearest_even(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [CpuPrecisions] FfnPrecision precision, [Values(1, 3, 32)] int columns)
    {
        // In an int8 group of its own each number but the tiniest comes out as itself; in one of all, zeros stay zeros.
        float[] corners = precision == FfnPrecision.BFloat16 || precision == FfnPrecision.Float32
            ? [.. Corners, 3.3895314e38f, -3.3895314e38f, float.BitDecrement(3.3961775e38f), 1e38f]
            : Corners;
        AssertStored(PanelKernels.Of(bits, precision), precision, columns, corners[..(corners.Length / columns * columns)]);
    }

    [Test]
    public void Every_number_of_16_bits_comes_out_as_itself(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits,
        [Values(FfnPrecision.BFloat16, FfnPrecision.Float16)] FfnPrecision precision)
    {
        byte[] patterns = new byte[2 * (ushort.MaxValue + 1)];
        for (int i = 0; i <= ushort.MaxValue; i++)
        {
            patterns[2 * i] = (byte)i;
            patterns[(2 * i) + 1] = (byte)(i >> 8);
        }

        float[] all = TinySafetensors.Widen(precision == FfnPrecision.BFloat16 ? "BF16" : "F16", patterns);
        float[] weights = precision == FfnPrecision.BFloat16 ? all : Array.FindAll(all, float.IsFinite);
        PackedMatrix packed = AssertStored(PanelKernels.Of(bits, precision), precision, 32, weights);
        Assert.That(packed.RelativeError, Is.Zero);
    }

    [Test]
    public void Random_bits_round_to_nearest_even([Values(FfnPrecision.BFloat16, FfnPrecision.Float16)] FfnPrecision precision)
    {
        var random = new Random(5);
        float limit = precision == FfnPrecision.BFloat16 ? 3.3e38f : 65500f;
        float[] weights = new float[64 * 1024];
        for (int i = 0; i < weights.Length;)
        {
            float number = BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));
            if (MathF.Abs(number) < limit)
            {
                weights[i++] = number;
            }
        }

        AssertStored(PanelKernels.Of(precision), precision, 64, weights);
    }

    [Test]
    public void NaN_and_infinities_are_kept_where_they_can_be(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits,
        [Values(FfnPrecision.Float32, FfnPrecision.BFloat16)] FfnPrecision precision)
    {
        // Among them NaNs whose only bits are those that bf16 cuts off.
        float[] weights =
        [
            1f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, BitConverter.UInt32BitsToSingle(0x7F80_0001),
            BitConverter.UInt32BitsToSingle(0xFF80_FFFF), BitConverter.UInt32BitsToSingle(0x7FFF_FFFF), 2f,
        ];
        using var packed = new PackedMatrix(PanelKernels.Of(bits, precision), 2, weights);
        float[] actual = RowsOf(packed);
        Assert.That(actual, Is.EqualTo(weights));
        Assert.That(packed.RelativeError, Is.Zero, "what is not finite is left out of the error");
    }

    [Test]
    public void An_int8_is_within_half_a_step_of_what_was_given(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [Values(1e-30f, 1f, 1e30f)] float size)
    {
        const int Columns = 75;
        float[] weights = Array.ConvertAll(RandomLayers.Rows(40, Columns, 6), weight => size * weight);
        weights.AsSpan(3 * Columns, 32).Clear();
        using var packed = new PackedMatrix(PanelKernels.Of(bits, FfnPrecision.Int8), Columns, weights);
        float[] actual = RowsOf(packed);
        for (int row = 0; row < 40; row++)
        {
            for (int column = 0; column < Columns; column++)
            {
                int first = column / 32 * 32;
                float[] group = weights[((row * Columns) + first)..((row * Columns) + Math.Min(first + 32, Columns))];
                double step = group.Max(MathF.Abs) / 127.0;
                double error = Math.Abs((double)actual[(row * Columns) + column] - weights[(row * Columns) + column]);
                Assert.That(error, Is.LessThanOrEqualTo(step * (0.5 + Tolerances.RoundedStep)), $"row {row}, column {column}");
            }
        }
    }

    [Test]
    public void The_relative_error_is_that_of_all_weights([CpuPrecisions] FfnPrecision precision, [Values(2, 33, 100)] int columns)
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, columns, 41, false));
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 7);
        using var packed = new PackedMatrix(PanelKernels.Of(precision), columns, weights.Get("layers.0.weight").Span);
        double expected = StoredWeights.Error(precision, spec, weights);
        Assert.That(packed.RelativeError, Is.EqualTo(expected).Within(Tolerances.SumOfErrors * expected));
        Assert.That(expected, precision == FfnPrecision.Float32 ? Is.Zero : Is.InRange(1e-5, precision == FfnPrecision.Float8 ? 4e-2 : 1e-2));
    }

    [Test]
    public void Zero_weights_have_no_error([CpuPrecisions] FfnPrecision precision)
    {
        using var packed = new PackedMatrix(PanelKernels.Of(precision), 5, new float[35]);
        Assert.That(packed.RelativeError, Is.Zero);
        Assert.That(packed.Unpack(), Is.All.Zero);
    }

    private static PackedMatrix AssertStored(PanelKernel kernel, FfnPrecision precision, int columns, float[] weights)
    {
        using var packed = new PackedMatrix(kernel, columns, weights);
        float[] expected = StoredWeights.Of(precision, weights, columns);
        float[] unpacked = packed.Unpack();
        int stride = packed.Panels * kernel.Rows;
        for (int i = 0; i < unpacked.Length; i++)
        {
            (int column, int row) = (i / stride, i % stride);
            float stored = row < packed.Rows && column < columns ? expected[(row * columns) + column] : 0;

            // An int8 knows one zero only; elsewhere the sign of a zero counts.
            bool same = precision == FfnPrecision.Int8 || float.IsNaN(stored)
                ? unpacked[i].Equals(stored)
                : BitConverter.SingleToInt32Bits(unpacked[i]) == BitConverter.SingleToInt32Bits(stored);
            if (!same)
            {
                Assert.Fail($"Row {row} of {packed.Rows}, column {column} of {columns}: {unpacked[i]:R}, expected {stored:R}.");
            }
        }

        return packed;
    }

    private static float[] RowsOf(PackedMatrix packed)
    {
        float[] unpacked = packed.Unpack();
        int stride = packed.Panels * packed.Kernel.Rows;
        return [.. Enumerable.Range(0, packed.Rows * packed.Columns).Select(i => unpacked[(i % packed.Columns * stride) + (i / packed.Columns)])];
    }
}
