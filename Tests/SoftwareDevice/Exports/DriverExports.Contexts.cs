using System.Runtime.InteropServices;

namespace NativeFfn.Tests.Software;

internal static unsafe partial class DriverExports
{
    [UnmanagedCallersOnly]
    public static int cuDevicePrimaryCtxRetain(nint context, int handle) =>
        RunStarted(nameof(cuDevicePrimaryCtxRetain), (context, handle), static (device, a) =>
        {
            SoftwareContext primary = device.Primary(Ordinal(device, a.handle));
            primary.Retained++;
            *(nint*)a.context = primary.Handle;
            return CudaResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int cuDevicePrimaryCtxRelease_v2(int handle) =>
        RunStarted(nameof(cuDevicePrimaryCtxRelease_v2), handle, static (device, handle) =>
    {
        int ordinal = Ordinal(device, handle);
        if (!device.HasPrimary(ordinal) || device.Primary(ordinal).Retained == 0)
        {
            throw new NativeFailure(CudaResult.InvalidContext, "The primary context was released more often than it was retained.");
        }

        SoftwareContext primary = device.Primary(ordinal);
        if (--primary.Retained == 0)
        {
            device.Destroy(primary);
        }

        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuCtxPushCurrent_v2(nint context) => RunStarted(nameof(cuCtxPushCurrent_v2), context, static (device, context) =>
    {
        SoftwareContext pushed = device.Handles.Get<SoftwareContext>(context, CudaResult.InvalidContext);
        if (pushed.Lost != 0)
        {
            return pushed.Lost;
        }

        device.Contexts.Push(pushed);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuCtxPopCurrent_v2(nint context) => RunStarted(nameof(cuCtxPopCurrent_v2), context, static (device, context) =>
    {
        if (!device.Contexts.TryPop(out SoftwareContext? popped))
        {
            throw new NativeFailure(CudaResult.InvalidContext, "A context was popped from an empty stack.");
        }

        if (context != 0)
        {
            *(nint*)context = popped.Handle;
        }

        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuCtxGetCurrent(nint context) => RunStarted(nameof(cuCtxGetCurrent), context, static (device, context) =>
    {
        *(nint*)context = device.Contexts.TryPeek(out SoftwareContext? current) ? current.Handle : 0;
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuCtxGetDevice(nint handle) => RunStarted(nameof(cuCtxGetDevice), handle, static (device, handle) =>
    {
        *(int*)handle = DeviceHandle(device, device.CurrentContext().Ordinal);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuCtxSynchronize() => RunStarted(nameof(cuCtxSynchronize), 0, static (device, _) =>
    {
        SoftwareContext context = device.CurrentContext();
        ForbidInCapture(device, nameof(cuCtxSynchronize));
        return context.Streams.All(stream => stream.RunAll(device)) ? CudaResult.Success : throw new StillWaiting();
    });
}
