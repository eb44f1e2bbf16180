using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>A full device: what is idle is given back and the allocation tried once more; else the caller is told what was asked for and what was free.</summary>
public sealed class DeviceMemoryTests : DeviceTests
{
    // Hidden rows that take more than the large layer's weights.
    private const int ManyTokens = 4000;
    private const int FewTokens = 3;

    private static readonly FfnSpec Large = FfnSpec.Create(FfnKind.Relu, 256, 512);

    [Test]
    public void Idle_memory_is_given_back_where_that_makes_room()
    {
        long before = BytesWhenIdle();
        Start(Ada with { MemoryBytes = before + (WeightBytesOfLarge / 2) });
        using FfnEngine engine = Open();
        using FfnLayer small = Small(engine);
        Run(small, ManyTokens);
        Assert.That(Device.DeviceBytes, Is.EqualTo(before));
        int allocations = Allocations;
        using FfnLayer large = engine.CreateLayer(Large, new XavierWeights(Large, 1));
        Assert.That(Allocations, Is.EqualTo(allocations + 3), "twice the weights, and the workspace of a slot");
        Assert.That(Device.DeviceBytes, Is.LessThan(before));
        float[] once = Run(small, FewTokens);
        Assert.That(Run(small, FewTokens), Is.EqualTo(once));
    }

    [Test]
    public void Weights_that_do_not_fit_are_refused_with_what_was_asked_for_and_what_was_free()
    {
        long before = BytesWhenIdle();
        Start(Ada with { MemoryBytes = before });
        using FfnEngine engine = Open();
        using FfnLayer small = Small(engine);
        float[] expected = Run(small, FewTokens);
        var huge = FfnSpec.Create(FfnKind.Relu, 4096, 8192);
        int allocations = Allocations;
        var refused = Assert.Throws<InsufficientMemoryException>(() => engine.CreateLayer(huge, new XavierWeights(huge, 1)).Dispose())!;
        long asked = 2L * 4096 * 8192 * sizeof(float);
        Assert.That(refused.Message, Does.Contain($"need {asked} bytes").And.Contain($"{before - small.WeightBytes} of {before} are free"));
        Assert.That(Allocations, Is.EqualTo(allocations + 2), "tried once more, and no more often");
        Assert.That(engine.Failure, Is.Null);
        Assert.That(Run(small, FewTokens), Is.EqualTo(expected));
    }

    [Test]
    public void Rows_that_do_not_fit_are_refused_and_fewer_run()
    {
        long before = BytesWhenIdle();
        Start(Ada with { MemoryBytes = before - 1 });
        using FfnEngine engine = Open();
        using FfnLayer small = Small(engine);
        float[] expected = Run(small, FewTokens);
        var refused = Assert.Throws<InsufficientMemoryException>(() => Run(small, ManyTokens))!;
        Assert.That(refused.Message, Does.Contain("hidden rows").And.Contain($"of {before - 1} are free"));
        Assert.That(Device.DeviceBytes, Is.EqualTo(small.WeightBytes), "the slot that failed is gone");
        Assert.That(Run(small, FewTokens), Is.EqualTo(expected));
    }

    [Test]
    public void A_host_without_pinned_memory_is_told_and_later_forwards_run()
    {
        Start();
        using FfnEngine engine = Open();
        using FfnLayer small = Small(engine);
        Device.FailCall("cuMemHostAlloc", 1, CudaResult.OutOfMemory);
        Device.FailCall("cuMemHostAlloc", 2, CudaResult.OutOfMemory);
        Assert.That(
            () => Run(small, FewTokens),
            Throws.TypeOf<InsufficientMemoryException>().With.Message.Contains("bytes of pinned memory").And.Message.Contains("are free"));
        Assert.That(Device.PinnedBytes, Is.Zero);
        float[] once = Run(small, FewTokens);
        Assert.That(Run(small, FewTokens), Is.EqualTo(once));
    }

    private static long WeightBytesOfLarge => 2L * Large.DModel * Large.Stages[0].Width * sizeof(float);

    private int Allocations => Device.Failures.CallsOf("cuMemAlloc_v2");

    private static long BytesWhenIdle()
    {
        using SoftwareDevice device = SoftwareDevice.Start(Ada);
        using FfnEngine engine = Open();
        using FfnLayer small = Small(engine);
        Run(small, ManyTokens);
        return device.DeviceBytes;
    }

    private static FfnLayer Small(FfnEngine engine) => engine.CreateLayer(DeviceBench.Spec, RandomLayers.Gaussian(DeviceBench.Spec, 32_000));

    private static float[] Run(FfnLayer layer, int tokens) =>
        EngineTests.Forward(layer, FfnMode.Ffn, RandomLayers.Rows(tokens, layer.Spec.InputWidth, 32_001));
}
