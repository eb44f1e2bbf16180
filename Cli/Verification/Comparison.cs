namespace NativeFfn.Cli.Verification;

/// <summary>How far a backend's output is from the reference.</summary>
/// <param name="RelativeL2">‖actual − expected‖₂ / ‖expected‖₂; not a number where either output has one.</param>
/// <param name="MaxAbsoluteError">The largest |actual − expected|.</param>
internal readonly record struct Comparison(double RelativeL2, double MaxAbsoluteError)
{
    // Half a unit in the last place of a float32 with 24 significant bits.
    private const double Float32RoundOff = 1.0 / (1 << 24);

    // What activations, norms and the residual may add, however short the rows.
    private const double Floor = 1e-6;

    // √3 of three projections, and as much again for layers that are not random.
    private const double WeightErrorFactor = 4;

    /// <summary>The largest relative L2 error that passes.</summary>
    /// <remarks>
    /// <para>
    /// 1e-6 + 2⁻²⁴ · √(longest row of any projection) + 4 · e, where e is what weights and rows lost. The rounding errors of a float32 dot
    /// product have random signs, so that their sum grows with the root of their number. In a mixture, the error of a logit,
    /// 2⁻²⁴ · √d_model more, is also one of the weight that multiplies all of an expert's result.
    /// </para>
    /// <para>
    /// A projection whose weights are off by a relative error e gives results that are off by about e, as rounding errors know nothing of
    /// the rows that they are multiplied with. An activation of such numbers passes the error on at about its size, and those of gate, up
    /// and down are independent, so that a gated layer is off by about √3 · e; 4 · e is a little more than twice that. A lossless
    /// precision has e = 0. Where rows are rounded before they are multiplied, that is an error like it.
    /// </para>
    /// </remarks>
    /// <param name="spec">The layer.</param>
    /// <param name="precision">The engine's precision.</param>
    /// <param name="weightError">What the precision lost of the matrix that lost most.</param>
    public static double ToleranceOf(FfnSpec spec, FfnPrecision precision, double weightError)
    {
        int longest = Math.Max(spec.Stages.Max(static stage => stage.InputWidth), spec.Mixture?.SharedDFf ?? 0);
        double roots = Math.Sqrt(longest) + (spec.Mixture is null ? 0 : Math.Sqrt(spec.InputWidth));
        return Floor + (Float32RoundOff * roots) + (WeightErrorFactor * (weightError + TokenRounding.LossOf(precision)));
    }

    /// <summary>Compares element by element.</summary>
    public static Comparison Of(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected)
    {
        double difference = 0;
        double size = 0;
        double largest = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double error = Math.Abs(actual[i] - expected[i]);
            difference += error * error;
            size += expected[i] * expected[i];

            // Math.Max keeps NaN.
            largest = Math.Max(largest, error);
        }

        double relative = difference == 0 ? 0 : Math.Sqrt(difference) / Math.Sqrt(size);
        return new Comparison(relative, largest);
    }

    /// <summary>Whether the error is within a tolerance; never where it is not a number.</summary>
    public bool Passes(double tolerance) => RelativeL2 <= tolerance;
}
