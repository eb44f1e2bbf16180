using System.Runtime.InteropServices;

namespace NativeFfn.Tests.Software;

internal static unsafe partial class DriverExports
{
    [UnmanagedCallersOnly]
    public static int cuModuleLoadData(nint module, nint image) =>
        RunStarted(nameof(cuModuleLoadData), (module, image), static (device, a) =>
    {
        SoftwareContext context = device.CurrentContext();
        ForbidInCapture(device, nameof(cuModuleLoadData));
        if (SoftwareCubin.Read((byte*)a.image) is not { } cubin)
        {
            return CudaResult.InvalidImage;
        }

        if (cubin.Architecture != (device.Options.Major * 10) + device.Options.Minor)
        {
            return CudaResult.NoBinaryForGpu;
        }

        *(nint*)a.module = device.Handles.Add(new SoftwareModule(context, cubin.Precision));
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuModuleUnload(nint handle) => RunStarted(nameof(cuModuleUnload), handle, static (device, handle) =>
    {
        SoftwareModule module = device.Handles.Get<SoftwareModule>(handle);
        _ = device.CurrentContext();
        ForbidInCapture(device, nameof(cuModuleUnload));
        module.IsUnloaded = true;
        device.Handles.Remove(handle);
        foreach (nint function in module.Functions)
        {
            device.Handles.Remove(function);
        }

        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuModuleGetFunction(nint function, nint handle, nint name) =>
        RunStarted(nameof(cuModuleGetFunction), (function, handle, name), static (device, a) =>
        {
            SoftwareModule module = device.Handles.Get<SoftwareModule>(a.handle);
            _ = device.CurrentContext();
            string name = Marshal.PtrToStringUTF8(a.name) ?? "";
            if (SoftwareKernels.Find(name) is not { } kernel)
            {
                return CudaResult.NotFound;
            }

            *(nint*)a.function = device.Handles.Add(new SoftwareFunction(module, kernel));
            module.Functions.Add(*(nint*)a.function);
            return CudaResult.Success;
        });

    // Attributes tell how much shared memory a kernel may have, which means nothing here.
    [UnmanagedCallersOnly]
    public static int cuFuncSetAttribute(nint function, int attribute, int value) =>
        RunStarted(nameof(cuFuncSetAttribute), (function, attribute, value), static (device, a) =>
        {
            _ = device.Handles.Get<SoftwareFunction>(a.function);
            return a.value < 0 ? CudaResult.InvalidValue : CudaResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int cuLaunchKernel(
        nint function, uint gridX, uint gridY, uint gridZ, uint blockX, uint blockY, uint blockZ, uint sharedBytes, nint stream,
        nint parameters, nint extra) =>
        RunStarted(
            nameof(cuLaunchKernel), (function, gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, stream, parameters, extra),
            static (device, a) =>
        {
            SoftwareStream stream = StreamQueue.Find(device, a.stream);
            SoftwareFunction function = device.Handles.Get<SoftwareFunction>(a.function);
            if (function.Module.Context != stream.Context)
            {
                throw new NativeFailure(CudaResult.InvalidHandle, "A kernel was launched in a stream of another context.");
            }

            if (a.gridX == 0 || a.gridX > device.Options.MaxGridX || a.gridY is 0 or > MaxGridY || a.gridZ is 0 or > MaxGridY
                || a.blockX == 0 || a.blockY == 0 || a.blockZ == 0
                || (ulong)a.blockX * a.blockY * a.blockZ > MaxThreadsPerBlock || a.sharedBytes > MaxSharedBytes)
            {
                throw new NativeFailure(
                    CudaResult.InvalidValue,
                    $"{function.Kernel.Name} with grid {a.gridX}, {a.gridY}, {a.gridZ} and block {a.blockX}, {a.blockY}, {a.blockZ}.");
            }

            if (a.parameters == 0 || *(nint*)a.parameters == 0 || a.extra != 0)
            {
                throw new NativeFailure(CudaResult.InvalidValue, $"{function.Kernel.Name} takes one structure through kernelParams.");
            }

            var grid = new KernelGrid((int)a.gridX, (int)a.gridY);
            function.Kernel.Prove(grid, a is { gridZ: 1, blockX: KernelGrid.BlockThreads, blockY: 1, blockZ: 1 });
            byte[] argument = new ReadOnlySpan<byte>((void*)*(nint*)a.parameters, function.Kernel.ArgumentBytes).ToArray();
            var launch = new Launch(a.stream, LaunchKind.Kernel, function.Kernel.Name) { GridX = grid.X, GridY = grid.Y };
            StreamQueue.Put(device, stream, new KernelOperation(launch, function, grid, argument));
            return CudaResult.Success;
        });
}
