namespace NativeFfn.Backends.Encodings;

/// <summary>The error of weights that were converted to an encoding: two sums over all of them.</summary>
/// <param name="Squared">Σ (stored - given)².</param>
/// <param name="SquaredNorm">Σ given².</param>
internal readonly record struct QuantizationError(double Squared, double SquaredNorm)
{
    /// <summary>‖stored - given‖ / ‖given‖; 0 where nothing was lost.</summary>
    public double Relative => Squared == 0 ? 0 : Math.Sqrt(Squared / SquaredNorm);

    public static QuantizationError operator +(QuantizationError left, QuantizationError right) =>
        new(left.Squared + right.Squared, left.SquaredNorm + right.SquaredNorm);
}
