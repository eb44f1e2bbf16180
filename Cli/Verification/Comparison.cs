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

    /// <summary>The largest relative L2 error that passes.</summary>
    /// <remarks>
    /// 1e-6 + 2⁻²⁴ · √(longest row of any projection): the rounding errors of a float32 dot product have random signs, so that their sum
    /// grows with the root of their number. In a mixture, the error of a logit, which is a dot product too, is also one of the weight that
    /// multiplies all of an expert's result.
    /// </remarks>
    public static double ToleranceOf(FfnSpec spec)
    {
        int longest = Math.Max(spec.Stages.Max(static stage => stage.InputWidth), spec.Mixture?.SharedDFf ?? 0);
        double tolerance = Floor + (Float32RoundOff * Math.Sqrt(longest));
        return spec.Mixture is null ? tolerance : tolerance + (Float32RoundOff * Math.Sqrt(spec.InputWidth));
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
