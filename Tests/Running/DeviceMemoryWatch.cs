using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Tests.Running;

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
        if (held.Length > 0)
        {
            Console.Error.WriteLine($"error: held after the tests: {string.Join("; ", held)}");
        }

        return held.Length == 0;
    }
}
