using NativeFfn.Backends.Reference;
using NativeFfn.Cli.Verification;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Reference;

/// <summary>The reference on layers small enough to work out by hand, and as a backend.</summary>
public sealed class Float64ForwardTests
{
    [Test]
    public void A_gated_layer_multiplies_the_activated_gate_by_up()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.ReGlu, 2, 3);
        FfnMemoryWeights weights = new FfnMemoryWeights(spec)
            .Set("gate.weight", new float[] { 1, 0, 0, 1, -1, -1 })
            .Set("up.weight", new float[] { 2, 0, 0, 3, 5, 5 })
            .Set("down.weight", new float[] { 1, 1, 1, 1, -1, 7 });

        // Token (1, 2): gate (1, 2, −3) → (1, 2, 0), up (2, 6, 15), hidden (2, 12, 0), down (14, −10). Token (−1, 0): hidden (0, 0, −5).
        Dictionary<FfnMode, double[]> outputs = Compute(spec, weights, 1, 2, -1, 0);
        Assert.That(outputs[FfnMode.Ffn], Is.EqualTo(new double[] { 14, -10, -5, -35 }));
        Assert.That(outputs[FfnMode.Residual], Is.EqualTo(new double[] { 15, -8, -6, -35 }));
        Assert.That(outputs.Keys, Does.Not.Contain(FfnMode.Block), "a layer without norms");
    }

    [Test]
    public void A_plain_layer_adds_its_biases()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SquaredRelu, 1, 2, bias: true);
        FfnMemoryWeights weights = new FfnMemoryWeights(spec)
            .Set("up.weight", new float[] { 1, -1 })
            .Set("up.bias", new float[] { 1, 10 })
            .Set("down.weight", new float[] { 1, 0.5f })
            .Set("down.bias", new float[] { -3 });

        // (2 + 1)² + 0.5 · (−2 + 10)² − 3
        Assert.That(Compute(spec, weights, 2)[FfnMode.Ffn], Is.EqualTo(new double[] { 38 }));
    }

    [Test]
    public void A_block_norms_before_on_the_branch_and_after()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.Linear, 2, 2).WithNorms(
            pre: new NormSpec(NormKind.Rms, 0),
            branch: new NormSpec(NormKind.Rms, 0) { WeightOffset = 1 },
            post: new NormSpec(NormKind.Layer, 0));
        FfnMemoryWeights weights = new FfnMemoryWeights(spec)
            .Set("up.weight", new float[] { 1, 0, 0, 1 })
            .Set("down.weight", new float[] { 3, 0, 0, 3 })
            .Set("pre_norm.weight", new float[] { 2, 2 })
            .Set("branch_norm.weight", new float[] { 0, 1 })
            .Set("post_norm.weight", new float[] { 1, 4 })
            .Set("post_norm.bias", new float[] { 10, 20 });

        // (1, 7) has root mean square 5: (0.2, 1.4) · 2 · 3 = (1.2, 8.4), again over its root mean square 6: (0.2, 1.4), times (1, 2);
        // with the residual (1.2, 9.8), whose mean is 5.5 and deviation 4.3: (−1, 1), then weight and bias.
        double[] block = Compute(spec, weights, 1, 7)[FfnMode.Block];
        Assert.That(block, Is.EqualTo(new double[] { 9, 24 }).Within(1e-14));
    }

    [Test]
    public void A_stack_that_changes_its_width_has_no_residual()
    {
        FfnSpec spec = FfnSpec.Stack(
            new FfnStage(FfnKind.Relu, 1, 2, false), new FfnStage(FfnKind.Relu, 2, 2, false), new FfnStage(FfnKind.Linear, 2, 3, false));
        FfnMemoryWeights weights = new FfnMemoryWeights(spec)
            .Set("layers.0.weight", new float[] { 1, 2 })
            .Set("layers.1.weight", new float[] { 1, 1, 1, -1 })
            .Set("layers.2.weight", new float[] { 1, 0, 0, 1, 1, 1 });
        Dictionary<FfnMode, double[]> outputs = Compute(spec, weights, 5);
        Assert.That(outputs.Keys, Is.EqualTo(new[] { FfnMode.Ffn }));
        Assert.That(outputs[FfnMode.Ffn], Is.EqualTo(new double[] { 15, 0, 15 }));
    }

    [Test]
    public void A_layer_whose_block_is_refused_has_none()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 4, 4).WithoutBlock("The norm is missing.");
        Assert.That(Compute(spec, RandomLayers.Gaussian(spec, 1), 1, 2, 3, 4).Keys, Is.EqualTo(new[] { FfnMode.Ffn, FfnMode.Residual }));
    }

    [Test]
    public void The_backend_rounds_the_answers_once()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.GeGlu, 8, 12, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 2);
        float[] input = RandomLayers.Rows(3, 8, 3);
        using FfnEngine engine = TestBackends.Open(BackendKind.Reference, 1);
        using FfnLayer layer = engine.CreateLayer(spec, weights);
        foreach ((FfnMode mode, double[] expected) in Compute(spec, weights, input))
        {
            float[] rounded = Array.ConvertAll(expected, static value => (float)value);
            Assert.That(EngineTests.Forward(layer, mode, input), Is.EqualTo(rounded), $"{mode}");
        }

        Assert.That(layer.WeightBytes, Is.EqualTo(spec.ParameterCount * sizeof(float)));
        Assert.That(layer.QuantizationError, Is.Zero);
    }

    private static Dictionary<FfnMode, double[]> Compute(FfnSpec spec, IFfnWeightSource weights, params float[] input) =>
        Verifier.Compute(new Float64Forward(spec, weights), spec, input);
}
