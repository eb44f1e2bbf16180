using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Weights made of a seed.</summary>
public class XavierWeightsTests
{
    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 96, 250, bias: true).WithNorms(
        new NormSpec(NormKind.Rms, 1e-5f), new NormSpec(NormKind.Rms, 1e-5f) { WeightOffset = 1 }, new NormSpec(NormKind.Layer, 1e-5f));

    [Test]
    public void A_seed_gives_the_same_numbers_and_another_seed_others()
    {
        FfnTensor gate = Tensor("gate.weight");
        float[] first = Read(new XavierWeights(Spec, 7), gate);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Read(new XavierWeights(Spec, 7), gate), Is.EqualTo(first));
            Assert.That(Read(new XavierWeights(Spec, 8), gate), Is.Not.EqualTo(first));
        }
    }

    [Test]
    public void Pieces_in_any_order_are_the_pieces_of_the_whole()
    {
        var weights = new XavierWeights(Spec, ulong.MaxValue);
        FfnTensor down = Tensor("down.weight");
        float[] whole = Read(weights, down);
        float[] pieces = new float[whole.Length];
        for (int row = down.Rows - 1; row >= 0; row--)
        {
            weights.ReadRows(down, row, pieces.AsSpan(row * down.Columns, down.Columns));
        }

        Assert.That(pieces, Is.EqualTo(whole));
    }

    [Test]
    public void Matrices_are_uniform_within_the_bound_of_their_fans([Values("gate.weight", "up.weight", "down.weight")] string name)
    {
        FfnTensor tensor = Tensor(name);
        double bound = Math.Sqrt(6.0 / (96 + 250));
        double[] values = Array.ConvertAll(Read(new XavierWeights(Spec, 1), tensor), static x => (double)x);
        double mean = values.Average();
        double variance = values.Average(x => (x - mean) * (x - mean));
        double skewed = values.Count(static x => x > 0) / (double)values.Length;

        // The mean of n uniform numbers lies within 5 standard deviations, bound · 5/√(3n), of zero.
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values.Max(Math.Abs), Is.LessThanOrEqualTo(bound * 1.000001).And.GreaterThan(bound * 0.999));
            Assert.That(mean, Is.Zero.Within(5 * bound / Math.Sqrt(3.0 * values.Length)));
            Assert.That(variance, Is.EqualTo(bound * bound / 3).Within(2).Percent);
            Assert.That(skewed, Is.EqualTo(0.5).Within(5 * 0.5 / Math.Sqrt(values.Length)));
        }
    }

    [Test]
    public void Matrices_and_their_neighbours_are_not_alike()
    {
        var weights = new XavierWeights(Spec, 1);
        double[] gate = Array.ConvertAll(Read(weights, Tensor("gate.weight")), static x => (double)x);
        double[] up = Array.ConvertAll(Read(weights, Tensor("up.weight")), static x => (double)x);
        double allowed = 5 / Math.Sqrt(gate.Length);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Correlation(gate, up), Is.Zero.Within(allowed), "gate and up");
            Assert.That(Correlation(gate[1..], gate[..^1]), Is.Zero.Within(allowed), "next in a row");
            Assert.That(Correlation(gate[96..], gate[..^96]), Is.Zero.Within(allowed), "next in a column");
        }
    }

    [TestCase("gate.bias", 0f)]
    [TestCase("up.bias", 0f)]
    [TestCase("down.bias", 0f)]
    [TestCase("pre_norm.weight", 1f)]
    [TestCase("branch_norm.weight", 0f)]
    [TestCase("post_norm.weight", 1f)]
    [TestCase("post_norm.bias", 0f)]
    public void Vectors_change_nothing(string name, float expected) =>
        Assert.That(Read(new XavierWeights(Spec, 1), Tensor(name)), Is.All.EqualTo(expected));

    private static FfnTensor Tensor(string name) => Spec.Tensors.Single(tensor => tensor.Name == name);

    private static float[] Read(XavierWeights weights, FfnTensor tensor)
    {
        float[] values = new float[tensor.ElementCount];
        Array.Fill(values, float.NaN);
        weights.ReadRows(tensor, 0, values);
        return values;
    }

    // Both have mean zero, near enough.
    private static double Correlation(double[] a, double[] b) =>
        a.Zip(b, static (x, y) => x * y).Sum() / Math.Sqrt(a.Sum(static x => x * x) * b.Sum(static y => y * y));
}
