using NativeFfn.Bindings;
using NativeFfn.Bindings.Cuda;

namespace NativeFfn.GpuTests;

/// <summary>What tests leave behind on a GPU.</summary>
internal static class DeviceMemoryWatch
{
    // What a finalizer lets go of may have a finalizer itself.
    private const int Collections = 2;

    /// <summary>Whether the bindings hold nothing of CUDA any more; says what they hold.</summary>
    public static bool NothingIsHeld()
    {
        // What a failed test left to finalizers is no leak.
        for (int i = 0; i < Collections; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        string[] held =
        [
            .. Enum.GetValues<CudaKind>().Where(static kind => CudaUsage.CountOf(kind) != 0 || CudaUsage.BytesOf(kind) != 0)
                .Select(static kind => $"{kind}: {CudaUsage.CountOf(kind)}, {CudaUsage.BytesOf(kind)} bytes"),
        ];
        Console.WriteLine(held.Length == 0 ? "held after the tests: nothing" : $"error: held after the tests: {string.Join("; ", held)}");
        return held.Length == 0;
    }

    /// <summary>
    /// Prints what is free on the first device. It proves nothing: a driver keeps what it loaded, and other processes use the device too.
    /// </summary>
    /// <param name="when">Before or after what.</param>
    public static void SayFree(string when)
    {
        try
        {
            CudaDriver driver = CudaDriver.Start(CudaLoader.Driver(null));
            using CudaContext context = CudaContext.RetainPrimary(driver, driver.Device(0));
            Console.WriteLine($"device memory: {context.MemoryInfo().Free} bytes free {when}");
        }
        catch (Exception failure) when (failure is NativeLibraryException or CudaException)
        {
            Console.WriteLine($"device memory {when}: not known. {failure.Message.ReplaceLineEndings(" ")}");
        }
    }
}
