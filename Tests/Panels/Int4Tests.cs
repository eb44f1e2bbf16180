using NativeFfn.Backends.Encodings;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>4-bit weights: what a block holds by its definition, and how near the search comes.</summary>
public sealed class Int4Tests
{
    private static byte[] Encode(float[] weights, int columns)
    {
        int rowBytes = (int)WeightEncodings.Int4.RowBytes(columns);
        byte[] rows = new byte[weights.Length / columns * rowBytes];
        for (int row = 0; row * columns < weights.Length; row++)
        {
            WeightEncodings.Int4.Encode(weights.AsSpan(row * columns, columns), rows.AsSpan(row * rowBytes, rowBytes));
        }

        return rows;
    }

    [Test]
    public void The_search_is_never_worse_than_plain_rounding_and_better_on_the_whole([Values(1, 31, 32, 33, 96)] int columns)
    {
        float[] weights = RandomLayers.Gaussian(FfnSpec.Stack(new FfnStage(FfnKind.Linear, columns, 400, false)), 1).Get("layers.0.weight").ToArray();
        double[] searched = StoredWeights.DecodeInt4(Encode(weights, columns), columns);
        (double all, double allPlain, double norm) = (0, 0, 0);
        for (int first = 0; first < weights.Length; first += columns)
        {
            for (int column = 0; column < columns; column += 32)
            {
                int count = Math.Min(32, columns - column);
                ReadOnlySpan<float> group = weights.AsSpan(first + column, count);
                double scale = (double)NumberFormat.BFloat16.Round(group.ToArray().Max(Math.Abs) / 7);
                (double error, double plain) = (0, 0);
                for (int i = 0; i < count; i++)
                {
                    double rounded = Math.Clamp(Math.Round(group[i] / scale), -8, 7) * scale;
                    plain += Math.Pow(rounded - group[i], 2);
                    error += Math.Pow(searched[first + column + i] - group[i], 2);
                    norm += Math.Pow(group[i], 2);
                }

                Assert.That(error, Is.LessThanOrEqualTo(plain * (1 + 1e-5) + 1e-12));
                (all, allPlain) = (all + error, allPlain + plain);
            }
        }

        TestContext.Out.WriteLine($"{columns} columns: {Math.Sqrt(all / norm):0.000}, plain rounding {Math.Sqrt(allPlain / norm):0.000}");
        Assert.That(all, columns == 1 ? Is.LessThanOrEqualTo(allPlain) : Is.LessThan(0.9 * allPlain));
    }

    [TestCase(0f, 0)]
    [TestCase(3.5f, 0)]
    [TestCase(float.NaN, 0)]
    public void Whole_codes_come_out_as_they_are_and_zeros_stay_zeros(float scale, int first)
    {
        float[] weights = [.. Enumerable.Range(0, 32).Select(i => scale * (first + (i % 15) - 7))];
        double[] stored = StoredWeights.DecodeInt4(Encode(weights, 32), 32);
        Assert.That(stored, float.IsNaN(scale) ? Has.All.NaN : Is.EqualTo(weights));
    }
}
