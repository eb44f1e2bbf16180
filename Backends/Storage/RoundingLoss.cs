using System.Globalization;

namespace NativeFfn.Backends.Storage;

/// <summary>What was lost when weights were stored: two sums over all of them.</summary>
/// <param name="Squared">Σ (stored - given)².</param>
/// <param name="SquaredNorm">Σ given².</param>
internal readonly record struct StorageError(double Squared, double SquaredNorm)
{
    /// <summary>‖stored - given‖ / ‖given‖; 0 where nothing was lost.</summary>
    public double Relative => Squared == 0 ? 0 : Math.Sqrt(Squared / SquaredNorm);

    public static StorageError operator +(StorageError left, StorageError right) =>
        new(left.Squared + right.Squared, left.SquaredNorm + right.SquaredNorm);
}

/// <summary>Sums up what a precision loses of weights, and refuses those that it cannot hold.</summary>
/// <param name="precision">The precision that weights are stored in.</param>
internal sealed class RoundingLoss(FfnPrecision precision)
{
    private double _squaredError;
    private double _squaredNorm;

    /// <summary>What was lost so far.</summary>
    public StorageError Error => new(_squaredError, _squaredNorm);

    /// <summary>Compares part of a row with what is stored of it.</summary>
    /// <param name="given">The weights.</param>
    /// <param name="stored">What they are when read back, as many; not finite for those that cannot be held.</param>
    /// <param name="tensor">The tensor, for messages.</param>
    /// <param name="row">The row in it.</param>
    /// <param name="firstColumn">The part's first column in it.</param>
    /// <exception cref="NotSupportedException">A weight cannot be held; the message says which.</exception>
    public void Compare(ReadOnlySpan<float> given, ReadOnlySpan<float> stored, FfnTensor tensor, int row, int firstColumn)
    {
        for (int i = 0; i < given.Length; i++)
        {
            double error = (double)stored[i] - given[i];
            if (!double.IsFinite(error) && !(precision == FfnPrecision.BFloat16 && !float.IsFinite(given[i])))
            {
                throw Refusal(precision, tensor, row, firstColumn + i, given[i]);
            }

            if (double.IsFinite(error))
            {
                _squaredError += error * error;
                _squaredNorm += (double)given[i] * given[i];
            }
        }
    }

    /// <summary>What is said of a number that a precision cannot hold.</summary>
    public static NotSupportedException Refusal(FfnPrecision precision, FfnTensor tensor, int row, int column, float given) => new(string.Create(
        CultureInfo.InvariantCulture,
        $"{tensor.Name}[{row}, {column}] is {given:R}, which {Names<FfnPrecision>.Of(precision)} cannot hold. Use precision {(precision == FfnPrecision.BFloat16 ? "f32" : "f32 or bf16")}."));
}
