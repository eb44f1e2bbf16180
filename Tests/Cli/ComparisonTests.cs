using NativeFfn.Cli.Verification;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

public sealed class ComparisonTests
{
    [Test]
    public void Errors_are_relative_to_the_reference()
    {
        Comparison error = Comparison.Of([3, 4.5f], [3, 4]);
        Assert.That(error.RelativeL2, Is.EqualTo(0.1).Within(1e-15));
        Assert.That(error.MaxAbsoluteError, Is.EqualTo(0.5));
        Assert.That(error.Passes(0.11), Is.True);
        Assert.That(error.Passes(0.09), Is.False);
    }

    [TestCase(float.NaN, 1)]
    [TestCase(1, double.NaN)]
    [TestCase(float.NaN, double.NaN)]
    [TestCase(float.PositiveInfinity, 1)]
    [TestCase(float.PositiveInfinity, double.PositiveInfinity)]
    [TestCase(1, double.PositiveInfinity)]
    public void What_is_no_number_never_passes(float actual, double expected) =>
        Assert.That(Comparison.Of([actual, 0], [expected, 0]).Passes(double.MaxValue), Is.False);

    [Test]
    public void Zeros_pass_and_anything_beside_them_does_not()
    {
        Assert.That(Comparison.Of([0, 0], [0, 0]).Passes(0), Is.True);
        Assert.That(Comparison.Of([0, 1e-20f], [0, 0]).Passes(1e-3), Is.False);
    }

    // 1e-6 + 2⁻²⁴ · √5632
    [Test]
    public void The_tolerance_follows_the_longest_row() =>
        Assert.That(Comparison.ToleranceOf(FfnSpec.Create(FfnKind.SwiGlu, 2048, 5632), FfnPrecision.Float32, 0), Is.EqualTo(5.473129043e-6).Within(1e-15));

    // ... + 4 · 0.005
    [Test]
    public void The_tolerance_grows_with_what_the_precision_lost() =>
        Assert.That(Comparison.ToleranceOf(FfnSpec.Create(FfnKind.SwiGlu, 2048, 5632), FfnPrecision.Float16, 0.005), Is.EqualTo(0.020005473129043).Within(1e-15));

    [TestCase(FfnPrecision.BFloat16, 2.7817973e-2)]
    [TestCase(FfnPrecision.Int4, 2.0206383e-2)]
    [TestCase(FfnPrecision.W4A8, 7.1438324e-2)]
    public void Rows_that_are_rounded_have_their_part_in_it(FfnPrecision precision, double expected) =>
        Assert.That(Comparison.ToleranceOf(FfnSpec.Create(FfnKind.SwiGlu, 2048, 5632), precision, 0.005), Is.EqualTo(expected).Within(1e-8));
}
