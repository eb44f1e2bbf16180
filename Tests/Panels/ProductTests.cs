using NativeFfn.Backends.Cpu.Gemm.Managed;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>The panel kernels of every width of vector against float64 sums of the weights as they are stored.</summary>
public sealed class ProductTests
{
    private const int MostTokens = 40;

    // One panel of any width and a part of another, so that rows of zeros are multiplied too.
    private const int Rows = 37;

    // Around groups of 32 columns and blocks of 512.
    private static readonly int[] ColumnCounts = [1, 31, 32, 33, 511, 512, 513, 1100];

    [Test]
    public void Sums_are_those_of_the_stored_weights_and_each_token_has_its_own_bits(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [CpuPrecisions] FfnPrecision precision,
        [ValueSource(nameof(ColumnCounts))] int columns)
    {
        PanelKernel kernel = PanelKernels.Of(bits, precision);
        float[] weights = RandomLayers.Rows(Rows, columns, 20 + columns);
        float[] tokens = RandomLayers.Rows(MostTokens, columns, 21 + columns);
        using var packed = new PackedMatrix(kernel, columns, weights);
        float[][] alone = [.. Enumerable.Range(0, MostTokens).Select(t => PanelProduct.Of(packed, Row(tokens, t, columns)))];
        float[] together = [.. alone.SelectMany(static sums => sums)];
        Tolerances.AssertClose(
            together, Sums(StoredWeights.Of(precision, weights, columns), StoredTokens.Of(kernel, precision, tokens, columns), columns), Tolerances.OfSums(columns), "one token at a time");

        for (int count = 1; count <= MostTokens; count++)
        {
            // Every count starts with another token, so that tokens change their places in tiles.
            int[] order = [.. Enumerable.Range(0, count).Select(i => ((7 * count) + i) % MostTokens)];
            float[] sums = PanelProduct.Of(packed, [.. order.SelectMany(t => Row(tokens, t, columns))]);
            for (int i = 0; i < count; i++)
            {
                if (!sums.AsSpan(i * Rows, Rows).SequenceEqual(alone[order[i]]))
                {
                    Assert.Fail($"Token {order[i]} has other bits as number {i} of {count} than alone.");
                }
            }
        }
    }

    [Test]
    public void Integers_come_out_exact(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [CpuPrecisions] FfnPrecision precision,
        [ValueSource(nameof(ColumnCounts))] int columns)
    {
        if (StoredTokens.Largest(precision) != 0)
        {
            Assert.Ignore("IntegerPanelTests have rows that such a precision holds.");
        }

        // With a 127 in every group of 32, an int8's scale is 1 and every precision holds the integers.
        float[] weights = RandomLayers.IntegerRows(Rows, columns, 30, 127);
        for (int i = 0; i < weights.Length; i++)
        {
            weights[i] = i % columns % 32 == 0 ? 127 : weights[i];
        }

        // With a 448 in every row, the scale of E4M3 is 1, and powers of two are exact.
        for (int i = 0; precision == FfnPrecision.Float8 && i < weights.Length; i++)
        {
            weights[i] = i % columns == 0 ? 448 : MathF.CopySign(1 << ((int)MathF.Abs(weights[i]) % 5), weights[i]);
        }

        using var packed = new PackedMatrix(PanelKernels.Of(bits, precision), columns, weights);
        foreach (int count in (int[])[1, 5, 13])
        {
            float[] tokens = RandomLayers.IntegerRows(count, columns, 31, 8);
            double[] expected = Sums(weights, tokens, columns).Values;
            Assert.That(PanelProduct.Of(packed, tokens), Is.EqualTo(Array.ConvertAll(expected, static sum => (float)sum)), $"{count} tokens");
        }
    }

    [Test]
    public void Some_groups_of_tokens_are_multiplied_alone_with_the_same_bits(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [CpuPrecisions] FfnPrecision precision, [Values(7, 15, 38)] int count)
    {
        const int Columns = 600;
        PanelKernel kernel = PanelKernels.Of(bits, precision);
        using var packed = new PackedMatrix(kernel, Columns, RandomLayers.Rows(Rows, Columns, 40));
        float[] tokens = RandomLayers.Rows(count, Columns, 41);
        float[] whole = PanelProduct.Of(packed, tokens);
        for (int split = 1; split < kernel.Tile(count).Count; split++)
        {
            Assert.That(PanelProduct.Of(packed, tokens, split), Is.EqualTo(whole), $"split before group {split}");
        }
    }

    [Test]
    public unsafe void Two_panels_side_by_side_give_a_token_the_bits_of_one_after_the_other(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [CpuPrecisions] FfnPrecision precision,
        [ValueSource(nameof(ColumnCounts))] int columns)
    {
        PanelKernel kernel = PanelKernels.Of(bits, precision);
        if (!kernel.PairsPanels)
        {
            Assert.That(() => kernel.MultiplyPair(null, null, 0, null, null, null, accumulate: false, null, 0), Throws.InstanceOf<NotSupportedException>());
            return;
        }

        int rows = 2 * kernel.Rows;
        float[] token = RandomLayers.Rows(1, columns, 61);
        using var packed = new PackedMatrix(kernel, columns, RandomLayers.Rows(rows, columns, 60));
        using GuardedBuffer padded = GuardedBuffer.Of([.. token, .. new float[(int)PanelFormat.PaddedColumns(columns) - columns]], GuardSide.After);
        using var sums = new GuardedBuffer(rows, GuardSide.After);
        sums.Span.Fill(float.NaN);
        int groups = PanelFormat.Groups(columns);
        for (int block = 0; block < groups; block += PanelKernel.BlockGroups)
        {
            // What is asked for may be anywhere.
            kernel.MultiplyPair(
                packed.Panel(0) + kernel.BytesOf(block), packed.Panel(1) + kernel.BytesOf(block), Math.Min(PanelKernel.BlockGroups, groups - block),
                padded.Pointer + (block * PanelFormat.GroupColumns), sums.Pointer, sums.Pointer + kernel.Rows, accumulate: block > 0,
                (byte*)64, kernel.BytesOf(0, PanelKernel.BlockGroups));
        }

        Assert.That(sums.Span.ToArray(), Is.EqualTo(PanelProduct.Of(packed, token)));
    }

    // Weights, tokens and sums that start on the first byte of a page instead of ending on the last one.
    [Test]
    public void Nothing_before_the_operands_is_touched(
        [ValueSource(typeof(PanelKernels), nameof(PanelKernels.Widths))] int bits, [CpuPrecisions] FfnPrecision precision, [Values(1, 13)] int count)
    {
        const int Columns = 513;
        float[] weights = RandomLayers.Rows(Rows, Columns, 50);
        float[] tokens = RandomLayers.Rows(count, Columns, 51);
        using var after = new PackedMatrix(PanelKernels.Of(bits, precision), Columns, weights);
        using var before = new PackedMatrix(PanelKernels.Of(bits, precision), Columns, weights, GuardSide.Before);
        Assert.That(PanelProduct.Of(before, tokens, side: GuardSide.Before), Is.EqualTo(PanelProduct.Of(after, tokens)));
    }

    private static float[] Row(float[] rows, int row, int width) => rows[(row * width)..((row + 1) * width)];

    private static Estimate Sums(float[] weights, float[] tokens, int columns)
    {
        int count = tokens.Length / columns;
        double[] values = new double[count * Rows];
        double[] scales = new double[count * Rows];
        for (int i = 0; i < values.Length; i++)
        {
            (double sum, double squares) = (0, 0);
            for (int column = 0; column < columns; column++)
            {
                double product = (double)weights[(i % Rows * columns) + column] * tokens[(i / Rows * columns) + column];
                sum += product;
                squares += product * product;
            }

            (values[i], scales[i]) = (sum, Math.Max(Math.Abs(sum), Math.Sqrt(squares)));
        }

        return new Estimate(values, scales);
    }
}
