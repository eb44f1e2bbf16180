using NUnit.Framework;

namespace NativeFfn.Tests.Support;

/// <summary>How far float32 results may lie from float64 ones: every tolerance of the tests is here, with its reason.</summary>
internal static class Tolerances
{
    /// <summary>Relative L2 error of the golden cases: what the project promises, whatever type the weights are stored in.</summary>
    public const double Golden = 2e-6;

    /// <summary>
    /// Relative L2 error of the layers that are stated apart from the table, which have 8 columns and so little that evens roundings out; what
    /// is wrong about a layer is wrong by a thousand times as much.
    /// </summary>
    public const double Stated = 2e-5;

    /// <summary>Error of both GELUs over [-20, 20]: what the project promises, and 500 times less than what separates the two.</summary>
    public const double Gelu = 1e-6;

    /// <summary>Two orders of summation of the same float32 numbers, relative to the largest of them, in the property tests.</summary>
    public const double Reordered = 1e-5;

    // Half a unit in the last place of 1: the largest relative error of one rounding.
    private const double RoundingUnit = 1.0 / (1 << 24);

    // Products, bias, activation, gate, norm and residual round about this often for each stage.
    private const double RoundingsOfStage = 8;

    /// <summary>
    /// Relative L2 error of a float32 layer, relative to the oracle's scales. Roundings are independent, so that those of a sum of K
    /// products add up like √K and not like K; an implementation with several accumulators does better. A norm or a sieve of whole
    /// hidden rows counts as a stage. A mixture has one stage more, its
    /// router, and the error of a logit is the relative one of the weight, twice where weights are divided by their sum.
    /// </summary>
    public static double Of(FfnSpec spec)
    {
        int longest = Math.Max(spec.Stages.Max(static stage => stage.InputWidth), spec.Mixture?.SharedDFf ?? 0);
        int stages = spec.Stages.Length + (spec.FinishesHiddenRows ? 1 : 0);
        double network = (RoundingsOfStage * stages) + Math.Sqrt(longest);
        return RoundingUnit * (spec.Mixture is null ? network : network + RoundingsOfStage + (2 * Math.Sqrt(spec.InputWidth)));
    }

    /// <summary>The same of a layer whose rows are rounded before each stage, by an activation and a gate of two of them as well.</summary>
    public static double Of(FfnSpec spec, FfnPrecision precision) =>
        Of(spec) + (2 * spec.Stages.Length * StoredTokens.Loss(precision));

    /// <summary>Relative L2 error of the golden cases whose weights a precision holds: of its rows' rounding alone, where it rounds them.</summary>
    public static double OfGolden(FfnSpec spec, FfnPrecision precision) => StoredTokens.Loss(precision) == 0 ? Golden : Of(spec, precision);

    /// <summary>
    /// Relative L2 error of the golden cases on a GPU, where a projection's input and what lies between two of them are rounded as the
    /// weights are: what the project promises, a few roundings of each precision's mantissa (23, 10, 7, 10 and 3 bits).
    /// E4M3 rounds input, weights and hidden rows by 2.6 % of the root mean square each, of which a gate multiplies two: 7.2 % at most.
    /// </summary>
    public static double OnDevice(FfnPrecision precision) => precision switch
    {
        FfnPrecision.Float32 => Golden,
        FfnPrecision.Tf32 or FfnPrecision.Float16 => 1e-3,
        FfnPrecision.BFloat16 => 1e-2,
        FfnPrecision.Float8 => 8e-2,
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "No precision of a GPU."),
    };

    /// <summary>The same for layers of random shapes.</summary>
    public static double OnDevice(FfnPrecision precision, FfnSpec spec) =>
        precision == FfnPrecision.Float32 ? Of(spec) : OnDevice(precision);

    /// <summary>Two float64 sums of the same squared errors, in whatever order, relative to each other.</summary>
    public const double SumOfErrors = 1e-9;

    /// <summary>A 32-bit scale's own rounding, relative to half a step of int8.</summary>
    public const double RoundedStep = 1e-5;

    /// <summary>Relative L2 error of sums of so many float32 products, relative to the roots of their squared terms.</summary>
    public static double OfSums(int products) => RoundingUnit * (1 + Math.Sqrt(products));

    /// <summary>
    /// Absolute error of an activation of one number: nothing where no arithmetic is done, one rounding for a square, and else 1e-6, relative
    /// where the result is larger than 1. Results under float32's smallest normal number may be flushed to zero.
    /// </summary>
    public static double OfActivation(Activation activation, double expected) => activation.Name switch
    {
        "identity" or "relu" => FlushedToZero(expected),
        "relu2" => FlushedToZero(expected) + (2 * RoundingUnit * Math.Abs(expected)),
        _ => Gelu * Math.Max(1, Math.Abs(expected)),
    };

    /// <summary>The same for arguments next to zero, where an error of 1e-6 would say nothing: relative to the result.</summary>
    public static double OfActivationNearZero(double expected) => SmallestNormal + (Gelu * Math.Abs(expected));

    /// <summary>
    /// Absolute error of a few operations of float32 whose largest operand is as large as this, one of them an activation; less than
    /// half a step of any narrower format.
    /// </summary>
    public static double OfKernel(double largest) => SmallestNormal + (Gelu * Math.Abs(largest));

    /// <summary>Absolute error of a float32 sum of so many products, of which this is the sum of the magnitudes.</summary>
    public static double OfDot(int products, double magnitudes) => SmallestNormal + (2 * RoundingUnit * (1 + Math.Sqrt(products)) * magnitudes);

    /// <summary>Fails unless the L2 error is within the tolerance, relative to the scales. NaN is never within it.</summary>
    /// <returns>The error.</returns>
    public static double AssertClose(ReadOnlySpan<float> actual, Estimate expected, double tolerance, string what)
    {
        Assert.That(actual.Length, Is.EqualTo(expected.Length), $"{what}: number of elements");
        double squaredError = 0;
        double squaredScale = 0;
        double largest = -1;
        int worst = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            double error = Math.Abs(actual[i] - expected.Values[i]);
            squaredError += error * error;
            squaredScale += expected.Scales[i] * expected.Scales[i];
            if (double.IsNaN(error) || error > largest)
            {
                largest = double.IsNaN(error) ? double.PositiveInfinity : error;
                worst = i;
            }
        }

        double relative = squaredError == 0 ? 0 : Math.Sqrt(squaredError / squaredScale);
        if (!(relative <= tolerance))
        {
            Assert.Fail(
                $"{what}: relative L2 error {relative:E2} passes {tolerance:E2}; the worst is element {worst}: {actual[worst]:R}, expected {expected.Values[worst]:R}.");
        }

        return relative;
    }

    private const double SmallestNormal = 1.1754943508222875e-38;

    private static double FlushedToZero(double expected) => Math.Abs(expected) < SmallestNormal ? SmallestNormal : 0;
}
