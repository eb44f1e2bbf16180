using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.GpuTests;

/// <summary>
/// What tests leave behind in a GPU's memory. Each look takes a context and gives it back, so that a context which something still holds,
/// with all that was made in it, counts as well.
/// </summary>
internal static class DeviceMemoryWatch
{
    private const int Width = 64;

    /// <summary>Does once what the driver keeps something of for good.</summary>
    public static void WarmUp()
    {
        if (FreeBytes() is not null)
        {
            FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, Width, 2 * Width);
            using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.CuBlas });
            using FfnLayer layer = engine.CreateLayer(spec, new XavierWeights(spec, seed: 1));
            layer.Warmup(1, Width);
        }
    }

    /// <summary>Free bytes of the first device; null where there is none.</summary>
    public static long? FreeBytes()
    {
        try
        {
            CudaDriver driver = CudaDriver.Start(CudaLoader.Driver(null));
            using CudaContext context = CudaContext.RetainPrimary(driver, driver.Device(0));
            return context.MemoryInfo().Free;
        }
        catch (Exception absent) when (absent is NativeLibraryException or CudaException { IsNoDevice: true })
        {
            Console.WriteLine($"device memory: there is no GPU. {absent.Message}");
            return null;
        }
    }

    /// <summary>Whether as much is free as before; says what it finds.</summary>
    /// <param name="before">Bytes; null where there was no device.</param>
    public static bool IsUnchanged(long? before)
    {
        if (before is null)
        {
            return true;
        }

        // What a failed test left to finalizers is no leak.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long? after = FreeBytes();
        Console.WriteLine($"device memory: {before} bytes free before, {after} after, {before - after} leaked (other processes on the GPU would count, too)");
        return after >= before;
    }
}
