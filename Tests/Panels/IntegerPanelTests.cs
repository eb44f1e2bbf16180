using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>Products of integers, on every width of vector: exact where the numbers are, and as good as their rounding elsewhere.</summary>
public sealed class IntegerPanelTests
{
    private const int Rows = 37;

    private static readonly FfnPrecision[] Precisions = [FfnPrecision.Int8, FfnPrecision.Int4, FfnPrecision.W8A8, FfnPrecision.W4A8];

    private static readonly int[] TokenCounts = [1, 2, 3, 4, 6, 8, 11, 12, 13, 25];

    private static bool IsInt4(FfnPrecision precision) => precision is FfnPrecision.Int4 or FfnPrecision.W4A8;

    private static double[] Sums(float[] weights, float[] tokens, int columns) =>
    [
        .. Enumerable.Range(0, tokens.Length / columns * Rows).Select(i => Enumerable.Range(0, columns).Sum(column =>
            (double)weights[(i % Rows * columns) + column] * tokens[(i / Rows * columns) + column])),
    ];

    // Scales are powers of two: a group's largest weight is the largest code times one, its largest element likewise, and one of them
    // meets a zero each time, so that float32 sums have few bits.
    private static (float[] Weights, float[] Tokens) Exact(FfnPrecision precision, int columns, int count)
    {
        var random = new Random((int)precision + columns);
        int most = IsInt4(precision) ? 7 : 127;
        float[] weights = new float[Rows * columns];
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = (i % columns % 32) switch { 0 => most, 1 => 0, _ => random.Next(-most, most + 1) };
        }

        float[] tokens = new float[count * columns];
        for (int i = 0; i < tokens.Length; i++)
        {
            tokens[i] = (i % columns % 32) switch { 0 => 0, 1 => StoredTokens.Largest(precision), _ => random.Next(-9, 10) };
        }

        return (weights, tokens);
    }

    [Test]
    public void Sums_that_float32_holds_come_out_exact(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [ValueSource(nameof(Precisions))] FfnPrecision precision,
        [Values(2, 31, 32, 64, 544)] int columns)
    {
        PanelKernel kernel = PanelKernels.Of(bits, precision);
        foreach (int count in TokenCounts)
        {
            (float[] weights, float[] tokens) = Exact(precision, columns, count);
            using var packed = new PackedMatrix(kernel, columns, weights);
            Assert.That(packed.RelativeError, Is.Zero, "the weights must be held exactly");
            Assert.That(
                PanelProduct.Of(packed, tokens), Is.EqualTo(Array.ConvertAll(Sums(weights, tokens, columns), static sum => (float)sum)), $"{count} tokens");
        }
    }

    [Test]
    public void Sums_are_those_of_the_rounded_numbers(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [ValueSource(nameof(Precisions))] FfnPrecision precision,
        [Values(1, 33, 100, 1100)] int columns, [Values] GuardSide side)
    {
        PanelKernel kernel = PanelKernels.Of(bits, precision);
        float[] weights = RandomLayers.Rows(Rows, columns, columns);
        float[] stored = StoredWeights.Of(precision, weights, columns);
        using var packed = new PackedMatrix(kernel, columns, weights, side);
        float[] unpacked = packed.Unpack();
        int stride = unpacked.Length / (int)PanelFormat.PaddedColumns(columns);
        Assert.That(
            Enumerable.Range(0, stored.Length).Select(i => unpacked[(i % columns * stride) + (i / columns)]), Is.EqualTo(stored));
        foreach (int count in TokenCounts)
        {
            float[] tokens = RandomLayers.Rows(count, columns, count);
            float[] rounded = StoredTokens.Of(precision, tokens, columns);
            float[] sums = PanelProduct.Of(packed, tokens, side: side);
            double[] expected = Sums(stored, rounded, columns);
            double[] magnitudes = Sums(Array.ConvertAll(stored, MathF.Abs), Array.ConvertAll(rounded, MathF.Abs), columns);
            for (int i = 0; i < sums.Length; i++)
            {
                Assert.That(sums[i], Is.EqualTo(expected[i]).Within(Tolerances.OfDot(columns, magnitudes[i])), $"{count} tokens, sum {i}");
            }
        }
    }

    [Test]
    public void A_row_that_is_no_number_spoils_its_own_sums_alone_and_a_tiny_one_is_zero(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [ValueSource(nameof(Precisions))] FfnPrecision precision,
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity, 1e-39f)] float odd)
    {
        const int Columns = 70;
        float[] weights = RandomLayers.Rows(Rows, Columns, 1);
        using var packed = new PackedMatrix(PanelKernels.Of(bits, precision), Columns, weights);
        float[] tokens = RandomLayers.Rows(7, Columns, 2);
        float[] clean = PanelProduct.Of(packed, tokens);
        tokens.AsSpan(3 * Columns, Columns).Clear();
        tokens[(3 * Columns) + 40] = odd;
        float[] sums = PanelProduct.Of(packed, tokens);
        for (int token = 0; token < 7; token++)
        {
            Assert.That(
                sums[(token * Rows)..((token + 1) * Rows)],
                token != 3 ? Is.EqualTo(clean[(token * Rows)..((token + 1) * Rows)]) : float.IsFinite(odd) ? Is.All.Zero : Is.All.NaN);
        }
    }

    // The tiles of 8 and 12 tokens that only the widest vectors ask for, on all of them.
    [Test]
    public void Tiles_of_every_size_give_the_same_bits(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [ValueSource(nameof(Precisions))] FfnPrecision precision,
        [Values(7, 8, 11, 12, 20, 31)] int count)
    {
        const int Columns = 600;
        using var packed = new PackedMatrix(PanelKernels.Of(bits, precision), Columns, RandomLayers.Rows(Rows, Columns, 60));
        float[] tokens = RandomLayers.Rows(count, Columns, 61);
        float[] expected = PanelProduct.Of(packed, tokens);
        foreach (int most in (int[])[1, 2, 4, 6, 8, 12])
        {
            Assert.That(PanelProduct.Of(packed, tokens, mostTokens: most), Is.EqualTo(expected), $"tiles of {most}");
        }
    }

    [Test]
    public void Saturation_of_the_largest_products_is_out_of_reach(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [ValueSource(nameof(Precisions))] FfnPrecision precision,
        [Values(-1, 1)] int sign)
    {
        // All products of a group as large as can be: 15 · 127 · 32 is near the largest 16-bit integer.
        const int Columns = 32;
        float code = IsInt4(precision) ? 7 : 127;
        float[] weights = [.. Enumerable.Repeat(code, Rows * Columns)];
        float largest = StoredTokens.Largest(precision);
        float[] tokens = [.. Enumerable.Repeat(sign * largest, 5 * Columns)];
        using var packed = new PackedMatrix(PanelKernels.Of(bits, precision), Columns, weights);
        Assert.That(PanelProduct.Of(packed, tokens), Is.All.EqualTo(sign * Columns * code * largest).Within(1e-6).Percent);
    }
}
