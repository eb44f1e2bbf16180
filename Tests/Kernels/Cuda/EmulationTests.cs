using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>The emulation finds the mistakes that it is there for.</summary>
[Category(Needs.Clone)]
public unsafe class EmulationTests
{
    [Test]
    public void Threads_that_disagree_at_a_barrier_are_an_error([Values] ThreadOrder order)
    {
        string? error = EmulatedKernels.Of(KernelPrecision.F32).TryLaunch("wrong_disagree", 1, 1, 0, order);
        Assert.That(error, Does.Match("^wrong_disagree: threads .* \\(block barrier, line .*wait for each other$"));
    }

    [Test]
    public void A_missing_barrier_shows_where_the_order_of_the_threads_changes()
    {
        var results = new float[2][];
        foreach (ThreadOrder order in Enum.GetValues<ThreadOrder>())
        {
            results[(int)order] = new float[256];
            fixed (float* first = results[(int)order])
            {
                EmulatedKernels.Of(KernelPrecision.F32).Launch("wrong_race", 1, 1, (nint)first, order);
            }
        }

        Assert.That(results[0], Is.Not.EqualTo(results[1]));
    }

    [Test]
    public void An_unknown_kernel_is_an_error() =>
        Assert.That(EmulatedKernels.Of(KernelPrecision.F32).TryLaunch("none", 1, 1, 0, ThreadOrder.Forward), Is.EqualTo("no kernel none"));
}
