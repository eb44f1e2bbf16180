using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels;

/// <summary>Each activation's error against float64, from subnormal numbers to infinity.</summary>
public class ActivationAccuracyTests : BackendTests
{
    private const double Limit = 20;
    private const int DensePoints = 40_001;
    private const int HiddenPoints = 801;

    // What separates the two GELUs at their worst is 4.7e-4; a test that tells them apart sees at least this much of it.
    private const double SeenOfTheOtherGelu = 4e-4;

    private static readonly float[] NearZero =
    [
        0f, -0f, 1e-30f, -1e-30f, 1e-12f, -1e-12f, 1e-7f, -1e-7f, 1e-4f, -1e-4f, 1.17549435e-38f, -1.17549435e-38f, 1e-40f, -1e-40f,
        float.Epsilon, -float.Epsilon,
    ];

    private static readonly float[] FarFromZero = [20.5f, -20.5f, 87f, -87f, 89f, -89f, 100f, -100f, 1e4f, -1e4f, 1e20f, -1e20f, 3e38f, -3e38f];

    private static readonly float[] NotFinite = [float.NaN, float.PositiveInfinity, float.NegativeInfinity];

    public ActivationAccuracyTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public void The_error_is_within_tolerance([ValueSource(typeof(Activation), nameof(Activation.All))] Activation activation, [Values] ActivationRoute route)
    {
        bool hidden = route is ActivationRoute.Hidden or ActivationRoute.HiddenGate;
        float[] numbers = ActivationRoutes.Grid(-Limit, Limit, hidden ? HiddenPoints : DensePoints);
        float[] actual = ActivationRoutes.Apply(Engine(2), activation, route, numbers);
        AssertWithin(activation, route, numbers, actual, expected => Tolerances.OfActivation(activation, expected));
    }

    [TestCase("gelu", "gelu-tanh")]
    [TestCase("gelu-tanh", "gelu")]
    public void The_two_forms_of_gelu_are_told_apart(string askedName, string otherName)
    {
        (Activation asked, Activation other) = (ReferenceMath.Named(askedName), ReferenceMath.Named(otherName));
        float[] numbers = ActivationRoutes.Grid(-Limit, Limit, DensePoints);
        float[] actual = ActivationRoutes.Apply(Engine(1), asked, ActivationRoute.AlongARow, numbers);
        double errorOfAsked = 0;
        double errorOfOther = 0;
        for (int i = 0; i < numbers.Length; i++)
        {
            errorOfAsked = Math.Max(errorOfAsked, Math.Abs(actual[i] - ReferenceMath.Activate(asked, numbers[i])));
            errorOfOther = Math.Max(errorOfOther, Math.Abs(actual[i] - ReferenceMath.Activate(other, numbers[i])));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(errorOfAsked, Is.LessThanOrEqualTo(Tolerances.Gelu));
            Assert.That(errorOfOther, Is.GreaterThan(SeenOfTheOtherGelu));
        }
    }

    [Test]
    public void Next_to_zero_the_error_is_relative_to_the_result(
        [ValueSource(typeof(Activation), nameof(Activation.All))] Activation activation, [Values(ActivationRoute.AlongARow, ActivationRoute.DownTheTokens, ActivationRoute.GateAlongARow)] ActivationRoute route)
    {
        float[] actual = ActivationRoutes.Apply(Engine(1), activation, route, NearZero);
        AssertWithin(activation, route, NearZero, actual, Tolerances.OfActivationNearZero);
    }

    [Test]
    public void Far_from_zero_nothing_overflows_that_the_formula_does_not(
        [ValueSource(typeof(Activation), nameof(Activation.All))] Activation activation, [Values(ActivationRoute.AlongARow, ActivationRoute.DownTheTokens, ActivationRoute.GateAlongARow)] ActivationRoute route)
    {
        float[] actual = ActivationRoutes.Apply(Engine(1), activation, route, FarFromZero);
        AssertWithin(activation, route, FarFromZero, actual, expected => Tolerances.OfActivation(activation, expected));
    }

    [Test]
    public void A_kind_has_parameters_of_its_own()
    {
        (double limit, double alpha, double offset) = (3, 0.5, -2);
        var kind = new FfnKind(true, Activation.ClampedSilu, new ActivationParameters((float)limit, (float)alpha, (float)offset));
        float[] gates = ActivationRoutes.Grid(-6, 6, 37);
        float[] ups = ActivationRoutes.Grid(5, -5, 37);
        FfnSpec spec = FfnSpec.Stack(new FfnStage(kind, 1, gates.Length, false));
        using FfnLayer layer = Engine(1).CreateLayer(
            spec, new FfnMemoryWeights(spec).Set("layers.0.weight", gates).Set("layers.0.up.weight", ups));
        float[] actual = new float[gates.Length];
        layer.Forward([1f], actual);
        for (int i = 0; i < actual.Length; i++)
        {
            double z = Math.Min(gates[i], limit);
            double expected = z * ReferenceMath.Sigmoid(alpha * z) * (Math.Clamp(ups[i], -limit, limit) + offset);
            Assert.That(actual[i], Is.EqualTo(expected).Within(Tolerances.Gelu * Math.Max(1, Math.Abs(expected))), $"{gates[i]}, {ups[i]}");
        }
    }

    // x · σ(x) at -∞ is -∞ · 0, which is NaN; so are both GELUs there, while σ and ReLU have limits.
    [Test]
    public void NaN_and_infinities_come_out_as_the_formula_says(
        [ValueSource(typeof(Activation), nameof(Activation.All))] Activation activation,
        [Values(ActivationRoute.AlongARow, ActivationRoute.DownTheTokens, ActivationRoute.GateAlongARow)] ActivationRoute route,
        [Values(1, 7, 8, 16)] int copies)
    {
        // Each number in each lane of a vector and in what is left over after the last vector.
        float[] numbers = [.. NotFinite.SelectMany(number => Enumerable.Repeat(number, copies))];
        float[] actual = ActivationRoutes.Apply(Engine(1), activation, route, numbers);
        AssertWithin(activation, route, numbers, actual, expected => Tolerances.OfActivation(activation, expected));
    }

    [Test]
    public void The_table_of_values_that_are_not_finite()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(One(Activation.Silu, float.NegativeInfinity), Is.NaN);
            Assert.That(One(Activation.Gelu, float.NegativeInfinity), Is.NaN);
            Assert.That(One(Activation.GeluTanh, float.NegativeInfinity), Is.NaN);
            Assert.That(One(Activation.QuickGelu, float.NegativeInfinity), Is.NaN);
            Assert.That(One(Activation.Relu, float.NegativeInfinity), Is.Zero);
            Assert.That(One(Activation.Sigmoid, float.NegativeInfinity), Is.Zero);
            Assert.That(One(Activation.Gelu, float.PositiveInfinity), Is.EqualTo(float.PositiveInfinity));
            Assert.That(One(Activation.GeluTanh, float.PositiveInfinity), Is.EqualTo(float.PositiveInfinity));
            Assert.That(One(Activation.Silu, float.PositiveInfinity), Is.EqualTo(float.PositiveInfinity));
            Assert.That(One(Activation.Sigmoid, float.PositiveInfinity), Is.EqualTo(1f));
            Assert.That(One(Activation.Relu, float.NaN), Is.NaN);
            Assert.That(One(Activation.SquaredRelu, float.NaN), Is.NaN);
        }
    }

    private float One(Activation activation, float x) => ActivationRoutes.Apply(Engine(1), activation, ActivationRoute.AlongARow, [x])[0];

    private static void AssertWithin(Activation activation, ActivationRoute route, float[] numbers, float[] actual, Func<double, double> tolerance)
    {
        for (int i = 0; i < numbers.Length; i++)
        {
            // Rounded first: what passes float32's largest number is infinite.
            bool gated = route is ActivationRoute.GateAlongARow or ActivationRoute.HiddenGate;
            double expected = ReferenceMath.Activate(activation, numbers[i]) * (gated ? ReferenceMath.Factor(activation, 1) : 1);
            float rounded = (float)expected;
            bool same = float.IsFinite(rounded) ? Math.Abs(actual[i] - expected) <= tolerance(expected) : actual[i].Equals(rounded);
            if (!same)
            {
                Assert.Fail($"{activation}({numbers[i]:R}) is {actual[i]:R}, expected {expected:R} at {i} of {numbers.Length}.");
            }
        }
    }
}
