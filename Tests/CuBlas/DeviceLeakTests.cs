using NativeFfn.Bindings.Cuda;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>What engines leave in a device's memory, by the driver's own figure.</summary>
[NonParallelizable]
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.DeviceFixtures))]
public sealed class DeviceLeakTests(BackendKind backend) : EngineTests(backend, FfnPrecision.Float32)
{
    private const int Rounds = 60;

    // Until then a driver and its libraries take what they keep for good.
    private const int WarmRounds = 10;

    // Its weights take a block of the driver's, 2 MiB, or more.
    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 250, 682);

    // One way of a device's backend each: its decode kernels, and products.
    private static readonly int[] TokenCounts = [1, 9];

    [Test]
    public void Engines_that_come_and_go_leave_as_much_memory_free_as_they_found()
    {
        CudaDriver driver = (SoftwareDevice.Current is { } device
            ? new CudaLibraries(device.Driver, device.CuBlasLt, device.Nvrtc)
            : CudaLibraries.Load(null)).Driver;

        // Without a context of its own between rounds, the driver would give back and take everything each time.
        using CudaContext context = CudaContext.RetainPrimary(driver, driver.Device(0));
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long warm = 0;
        for (int round = 1; round <= Rounds; round++)
        {
            Run();
            if (round == WarmRounds)
            {
                warm = context.MemoryInfo().Free;
            }
        }

        long leaked = warm - context.MemoryInfo().Free;
        TestContext.Out.WriteLine($"device memory: {leaked} leaked bytes in {Rounds - WarmRounds} rounds of an engine, a layer and its forwards");

        // What another process gives back meanwhile is no fault.
        Assert.That(leaked, Is.LessThanOrEqualTo(0));
    }

    private void Run()
    {
        using FfnEngine engine = OpenEngine(1);
        using FfnLayer layer = engine.CreateLayer(Spec, new XavierWeights(Spec, seed: 1));
        foreach (int tokens in TokenCounts)
        {
            _ = Forward(layer, FfnMode.Residual, RandomLayers.Rows(tokens, Spec.DModel, tokens));
        }
    }
}
