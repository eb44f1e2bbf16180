using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Panels;

/// <summary>Weights that a precision cannot hold are refused by one sentence, and the engine goes on.</summary>
public class RefusalTests : CpuBackendTests
{
    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 70, 45);

    public RefusalTests(BackendKind backend)
        : base(backend)
    {
    }

    [TestCase(FfnPrecision.Float16, float.NaN, "f32 or bf16")]
    [TestCase(FfnPrecision.Float16, float.PositiveInfinity, "f32 or bf16")]
    [TestCase(FfnPrecision.Float16, float.NegativeInfinity, "f32 or bf16")]
    [TestCase(FfnPrecision.Float16, 70000f, "f32 or bf16")]
    [TestCase(FfnPrecision.Float16, -65520f, "f32 or bf16")]
    [TestCase(FfnPrecision.Int8, float.NaN, "f32 or bf16")]
    [TestCase(FfnPrecision.Int8, float.PositiveInfinity, "f32 or bf16")]
    [TestCase(FfnPrecision.Int8, float.NegativeInfinity, "f32 or bf16")]
    [TestCase(FfnPrecision.Int8, float.MaxValue, "f32 or bf16", Description = "127 of its steps round to infinity.")]
    [TestCase(FfnPrecision.Float8, float.NaN, "f32 or bf16")]
    [TestCase(FfnPrecision.Float8, float.NegativeInfinity, "f32 or bf16")]
    [TestCase(FfnPrecision.BFloat16, float.MaxValue, "f32")]
    [TestCase(FfnPrecision.BFloat16, -3.3961775e38f, "f32")]
    public void A_weight_out_of_range_is_named_with_its_place_and_the_remedy(FfnPrecision precision, float weight, string remedy)
    {
        using FfnEngine engine = TestBackends.Open(Backend, 2, precision);
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 1);
        foreach ((string name, int row, int column) in new[] { ("gate.weight", 0, 0), ("up.weight", 44, 69), ("down.weight", 33, 40), ("gate.weight", 9, 35) })
        {
            float[] clean = weights.Get(name).ToArray();
            float[] spoilt = [.. clean];
            spoilt[(row * (name == "down.weight" ? 45 : 70)) + column] = weight;
            NotSupportedException refusal = Assert.Throws<NotSupportedException>(() => engine.CreateLayer(Spec, weights.Set(name, spoilt)));
            weights.Set(name, clean);
            string value = weight.ToString("R", System.Globalization.CultureInfo.InvariantCulture);
            Assert.That(refusal.Message, Does.StartWith($"{name}[{row}, {column}] is {value}").And.EndWith($"Use precision {remedy}.").And.Not.Contain("\n"));
            Assert.That(refusal.Message, Does.Contain(Names<FfnPrecision>.Of(precision)));
        }

        using FfnLayer layer = engine.CreateLayer(Spec, weights);
        float[] input = RandomLayers.Rows(3, 70, 2);
        Tolerances.AssertClose(
            Forward(layer, FfnMode.Ffn, input), Oracle.Run(Spec, StoredWeights.Of(precision, Spec, weights), FfnMode.Ffn, input).Output,
            Tolerances.Of(Spec, precision), "after refusals");
    }

    [TestCase(FfnPrecision.BFloat16, 3.3895314e38f)]
    [TestCase(FfnPrecision.Float16, 65519.996f)]
    [TestCase(FfnPrecision.Int8, 3.4e38f)]
    [TestCase(FfnPrecision.Int8, 1e-37f)]
    [TestCase(FfnPrecision.Int8, 1e-43f)]
    [TestCase(FfnPrecision.Float8, 3.4e38f)]
    [TestCase(FfnPrecision.Float8, 1e-35f)]
    public void The_largest_and_the_smallest_weights_are_kept(FfnPrecision precision, float weight)
    {
        FfnSpec spec = FfnSpec.Stack(new FfnStage(FfnKind.Linear, 1, 1, false));
        using FfnEngine engine = TestBackends.Open(Backend, 1, precision);
        using FfnLayer layer = engine.CreateLayer(spec, new FfnMemoryWeights(spec).Set("layers.0.weight", new[] { weight }));
        float expected = StoredWeights.Of(precision, [weight], 1)[0];
        Assert.That(Forward(layer, FfnMode.Ffn, [1f]), Is.EqualTo(new[] { expected }));
    }

    [TestCase(FfnPrecision.Float16, 1e-9f, "f32 or bf16")]
    [TestCase(FfnPrecision.BFloat16, 1e-41f, "f32")]
    [TestCase(FfnPrecision.Int8, 1e-45f, "f32 or bf16")]
    [TestCase(FfnPrecision.Float8, 1e-38f, "f32 or bf16")]
    public void A_matrix_of_which_a_precision_keeps_only_zeros_is_refused_and_one_of_zeros_is_not(
        FfnPrecision precision, float weight, string remedy)
    {
        using FfnEngine engine = TestBackends.Open(Backend, 2, precision);
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 1);
        float[] small = new float[45 * 70];
        using (FfnLayer zeros = engine.CreateLayer(Spec, weights.Set("up.weight", small.ToArray())))
        {
            Assert.That(Forward(zeros, FfnMode.Ffn, RandomLayers.Rows(2, 70, 2)), Is.All.Zero);
        }

        Array.Fill(small, weight);
        NotSupportedException refusal = Assert.Throws<NotSupportedException>(() => engine.CreateLayer(Spec, weights.Set("up.weight", small)));
        Assert.That(refusal.Message, Does.StartWith("up.weight ").And.Contains(Names<FfnPrecision>.Of(precision)).And.EndsWith($"Use precision {remedy}."));
    }

    [TestCase(FfnPrecision.Float16, 2e-7f)]
    [TestCase(FfnPrecision.BFloat16, 5e-40f)]
    public void The_error_told_is_that_of_the_matrix_that_loses_most(FfnPrecision precision, float scale)
    {
        using FfnEngine engine = TestBackends.Open(Backend, 2, precision);
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 1);
        float[] small = Array.ConvertAll(RandomLayers.Rows(45, 70, 3), x => x * scale);
        using FfnLayer layer = engine.CreateLayer(Spec, weights.Set("up.weight", small));
        double error = StoredWeights.Error(precision, Spec, weights);
        Assert.That(error, Is.GreaterThan(0.01), "a hundred times what the large matrices lose");
        Assert.That(layer.QuantizationError, Is.EqualTo(error).Within(Tolerances.SumOfErrors * error));
    }

    [Test]
    public void An_unknown_precision_is_refused() => Assert.That(
        () => TestBackends.Open(Backend, 1, (FfnPrecision)99), Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contain("Precision must be auto, stored, f32, bf16"));
}
