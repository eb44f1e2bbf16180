using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>The kernels of one precision; each launch runs their threads in the order that the last one did not.</summary>
[TestFixture("F32")]
[TestFixture("BF16")]
[TestFixture("F16")]
[TestFixture("E4M3")]
[Category(Needs.Clone)]
public abstract class KernelTests
{
    /// <summary>Around a padding of 16 and a block's columns.</summary>
    protected static readonly int[] Widths = [1, 15, 16, 17, 1000, 2731];

    private readonly List<IDisposable> _owned = [];
    private ThreadOrder _order;

    protected KernelTests(string precision) => Precision = KernelPrecision.Of(precision);

    internal KernelPrecision Precision { get; }

    [TearDown]
    public void Free()
    {
        _owned.ForEach(static owned => owned.Dispose());
        _owned.Clear();
    }

    protected static int PaddedTo16(int width) => (width + 15) / 16 * 16;

    /// <summary>The largest magnitude of a row, what is not finite left out; 0 where there is none.</summary>
    protected static double LargestFinite(double[] row) => row.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max();

    /// <summary>Disposes rows after the test.</summary>
    internal KernelRows Own(KernelRows rows)
    {
        _owned.Add(rows);
        return rows;
    }

    internal void Launch<TArguments>(string kernel, int gridX, int gridY, TArguments arguments)
        where TArguments : unmanaged
    {
        _order = _order == ThreadOrder.Forward ? ThreadOrder.Backward : ThreadOrder.Forward;
        EmulatedKernels.Of(Precision).Launch(kernel, gridX, gridY, arguments, _order);
    }

    /// <summary>Fails unless the number is what some number within 'error' of the expected one rounds to.</summary>
    internal static void AssertRounded(NumberFormat format, double actual, double expected, double error, Func<string> what)
    {
        if (double.IsNaN(expected) || (double.IsInfinity(expected) && !format.HasInfinity))
        {
            if (!double.IsNaN(actual))
            {
                Assert.Fail($"{what()}: {actual:R}, expected NaN.");
            }

            return;
        }

        if (double.IsInfinity(expected))
        {
            error = 0;
        }

        double least = format.Round(expected - error);
        double most = format.Round(expected + error);
        if (!(actual >= least && actual <= most))
        {
            Assert.Fail($"{what()}: {actual:R}, expected {expected:R} ± {error:E1}, which {format} has as {least:R} to {most:R}.");
        }
    }
}
