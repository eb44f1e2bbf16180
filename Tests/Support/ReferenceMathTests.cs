using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>The oracle's own mathematics against published tables and against numbers worked out by hand.</summary>
public class ReferenceMathTests
{
    // Abramowitz and Stegun, tables 7.1 and 7.3, and the DLMF's 20-digit values.
    [TestCase(0.0, 0.0)]
    [TestCase(0.1, 0.11246291601828489)]
    [TestCase(0.5, 0.52049987781304654)]
    [TestCase(1.0, 0.84270079294971487)]
    [TestCase(1.5, 0.96610514647531073)]
    [TestCase(2.0, 0.99532226501895273)]
    [TestCase(2.9, 0.99995890212190054)]
    [TestCase(3.0, 0.99997790950300142)]
    [TestCase(3.5, 0.99999925690162766)]
    [TestCase(6.0, 1.0)]
    public void Erf_is_the_tabulated_value(double x, double expected)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ReferenceMath.Erf(x), Is.EqualTo(expected).Within(1e-15));
            Assert.That(ReferenceMath.Erf(-x), Is.EqualTo(-expected).Within(1e-15));
            Assert.That(ReferenceMath.Erfc(x), Is.EqualTo(1 - expected).Within(1e-15));
        }
    }

    [TestCase(3.0, 2.2090496998585441e-5)]
    [TestCase(4.0, 1.5417257900280019e-8)]
    [TestCase(5.0, 1.5374597944280349e-12)]
    [TestCase(10.0, 2.0884875837625448e-45)]
    public void Erfc_keeps_its_digits_in_the_tail(double x, double expected) =>
        Assert.That(ReferenceMath.Erfc(x) / expected, Is.EqualTo(1).Within(1e-13));

    [TestCase("identity", -1.25, -1.25)]
    [TestCase("relu", -1.0, 0.0)]
    [TestCase("relu2", 3.0, 9.0)]
    [TestCase("gelu", 1.0, 0.84134474606854295)]
    [TestCase("gelu", -1.0, -0.15865525393145705)]
    [TestCase("gelu-tanh", 1.0, 0.84119199060827676)]
    [TestCase("quick-gelu", 1.0, 0.84579576593282124)]
    [TestCase("silu", 1.0, 0.73105857863000488)]
    [TestCase("sigmoid", -1.0, 0.26894142136999512)]
    public void Activations_have_their_known_values(string activation, double x, double expected) =>
        Assert.That(ReferenceMath.Activate(ReferenceMath.Named(activation), x), Is.EqualTo(expected).Within(1e-14));

    [Test]
    public void A_layer_is_what_one_works_out_by_hand()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.ReGlu, 2, 2, bias: true)
            .WithNorms(pre: new NormSpec(NormKind.Rms, 0) { WeightOffset = 1 }, post: new NormSpec(NormKind.Layer, 0));
        FfnMemoryWeights weights = new FfnMemoryWeights(spec)
            .Set("gate.weight", new float[] { 1, 2, 3, -4 }).Set("gate.bias", new float[] { 1, 0 })
            .Set("up.weight", new float[] { 1, 0, 0, 1 }).Set("up.bias", new float[] { 0, 2 })
            .Set("down.weight", new float[] { 2, 0, 1, 1 }).Set("down.bias", new float[] { -1, 1 })
            .Set("pre_norm.weight", new float[] { 0, 1 })
            .Set("post_norm.weight", new float[] { 2, 2 }).Set("post_norm.bias", new float[] { 0, 1 });
        float[] x = [1, 1];

        OracleRun plain = Oracle.Run(spec, weights, FfnMode.Ffn, x);
        OracleRun added = Oracle.Run(spec, weights, FfnMode.Residual, x, [10, 20]);
        OracleRun block = Oracle.Run(spec, weights, FfnMode.Block, x);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(plain.Stages[0].PreActivation.Values, Is.EqualTo(new double[] { 4, -1 }));
            Assert.That(plain.Stages[0].Hidden.Values, Is.EqualTo(new double[] { 4, 0 }));
            Assert.That(plain.Output.Values, Is.EqualTo(new double[] { 7, 5 }));
            Assert.That(added.Output.Values, Is.EqualTo(new double[] { 17, 25 }));

            // The norm makes [1, 2] of [1, 1]; then gate [6, -5], up [1, 4], hidden [6, 0], FFN [11, 7], with x [12, 8], normed [1, -1].
            Assert.That(block.Normalized.Values, Is.EqualTo(new double[] { 1, 2 }));
            Assert.That(block.Output.Values, Is.EqualTo(new double[] { 2, -1 }));
        }
    }
}
