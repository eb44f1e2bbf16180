namespace NativeFfn.Backends.Encodings;

/// <summary>The error of a matrix that was converted to an encoding.</summary>
/// <param name="Squared">Σ (stored - given)².</param>
/// <param name="SquaredNorm">Σ given².</param>
internal readonly record struct QuantizationError(double Squared, double SquaredNorm)
{
    /// <summary>‖stored - given‖ / ‖given‖; 0 where nothing was lost.</summary>
    public double Relative => Squared == 0 ? 0 : Math.Sqrt(Squared / SquaredNorm);

    /// <summary>The error of a matrix of which two parts were converted.</summary>
    public static QuantizationError operator +(QuantizationError left, QuantizationError right) =>
        new(left.Squared + right.Squared, left.SquaredNorm + right.SquaredNorm);

    /// <summary>The greater of two matrices' errors: pooled, that of small weights would be hidden by large ones.</summary>
    public static QuantizationError Worst(QuantizationError left, QuantizationError right) => left.Relative >= right.Relative ? left : right;
}
