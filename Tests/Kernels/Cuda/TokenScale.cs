using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>What the scale of an e4m3 row must be.</summary>
internal static class TokenScale
{
    // float32's smallest normal number: the smallest scale.
    private const double Smallest = 1.1754943508222875e-38;

    /// <summary>Fails unless it is the row's largest magnitude / 448, or 1 for a row of zeros or with NaN or infinity.</summary>
    public static void AssertScale(double scale, double[] row, double error)
    {
        double largest = row.Max(Math.Abs);
        if (largest == 0 || row.Any(static value => !double.IsFinite(value)))
        {
            Assert.That(scale, Is.EqualTo(1));
            return;
        }

        double expected = Math.Max(largest / NumberFormat.E4M3.Largest, Smallest);
        KernelTests.AssertRounded(NumberFormat.Float32, scale, expected, (error / NumberFormat.E4M3.Largest) + (expected * 1e-7), () => "scale");
    }
}
