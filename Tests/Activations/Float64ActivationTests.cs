using NativeFfn.Backends.Activations;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Activations;

/// <summary>The reference's own functions against values computed to 40 digits elsewhere.</summary>
public sealed class Float64ActivationTests
{
    [TestCase(0, 0, 1)]
    [TestCase(1e-300, 1.1283791670955126022e-300, 1)]
    [TestCase(1e-8, 1.1283791670955125599e-8, 0.99999998871620832904)]
    [TestCase(0.1, 0.1124629160182848984, 0.8875370839817151016)]
    [TestCase(0.5, 0.52049987781304653768, 0.47950012218695346232)]
    [TestCase(1, 0.84270079294971486934, 0.15729920705028513066)]
    [TestCase(1.5, 0.96610514647531072707, 0.033894853524689272933)]
    [TestCase(1.9999, 0.99532019790702939169, 0.0046798020929706083079)]
    [TestCase(2, 0.99532226501895273416, 0.0046777349810472658379)]
    [TestCase(2.0001, 0.99532433130419666017, 0.0046756686958033398333)]
    [TestCase(2.5, 0.99959304798255504106, 0.00040695201744495893956)]
    [TestCase(3, 0.99997790950300141456, 0.000022090496998585441373)]
    [TestCase(4, 0.99999998458274209972, 1.5417257900280018852e-8)]
    [TestCase(6, 0.99999999999999997848, 2.1519736712498913117e-17)]
    public void Erf_and_erfc_have_their_values(double x, double erf, double erfc)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ErrorFunction.Erf(x), Is.EqualTo(erf).Within(2e-15 * erf), "erf");
            Assert.That(ErrorFunction.Erf(-x), Is.EqualTo(-erf).Within(2e-15 * erf), "erf of the negative");
            Assert.That(ErrorFunction.Erfc(x), Is.EqualTo(erfc).Within(1e-13 * erfc), "erfc");
            Assert.That(ErrorFunction.Erfc(-x), Is.EqualTo(1 + erf).Within(4e-15), "erfc of the negative");
        }
    }

    [Test]
    public void Erf_ends_at_the_infinities()
    {
        Assert.That(ErrorFunction.Erf(double.PositiveInfinity), Is.EqualTo(1));
        Assert.That(ErrorFunction.Erf(double.NegativeInfinity), Is.EqualTo(-1));
        Assert.That(ErrorFunction.Erfc(double.PositiveInfinity), Is.Zero);
        Assert.That(ErrorFunction.Erfc(double.NegativeInfinity), Is.EqualTo(2));
        Assert.That(ErrorFunction.Erf(double.NaN), Is.NaN);
    }

    [TestCase("identity", -1.5, -1.5)]
    [TestCase("relu", -1.5, 0)]
    [TestCase("relu", 1.5, 1.5)]
    [TestCase("relu2", 1.5, 2.25)]
    [TestCase("relu2", -1.5, 0)]
    [TestCase("gelu", 1, 0.84134474606854294859)]
    [TestCase("gelu", -3, -0.00404969409489028358)]
    [TestCase("gelu-tanh", 1, 0.84119199060827670478)]
    [TestCase("clamped-silu", 1, 0.8457957687936359)]
    [TestCase("clamped-silu", 100, 6.999953128310514)]
    [TestCase("quick-gelu", 1, 0.84579576593282129571)]
    [TestCase("silu", 1, 0.73105857863000487926)]
    [TestCase("sigmoid", -1, 0.26894142136999512075)]
    public void An_activation_has_its_value(string activation, double x, double expected) =>
        Assert.That(Value(activation, x), Is.EqualTo(expected).Within(1e-15));

    [Test]
    public void Every_activation_keeps_NaN([ValueSource(typeof(Activation), nameof(Activation.All))] Activation activation) =>
        Assert.That(Value(activation.Name, double.NaN), Is.NaN);

    private static double Value(string name, double x)
    {
        Activation activation = ReferenceMath.Named(name);
        return activation.Apply(x, activation.DefaultParameters);
    }
}
