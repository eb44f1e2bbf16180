using System.Runtime.InteropServices;

namespace NativeFfn.Tests.Software;

internal static unsafe partial class DriverExports
{
    // CUmemorytype.
    private const int HostMemory = 1;
    private const int DeviceMemory = 2;

    [UnmanagedCallersOnly]
    public static int cuMemGetInfo_v2(nint free, nint total) => RunStarted(nameof(cuMemGetInfo_v2), (free, total), static (device, a) =>
    {
        long used = device.Memory.UsedBytes(device.CurrentContext().Ordinal);
        *(nuint*)a.free = (nuint)(device.Options.MemoryBytes - used);
        *(nuint*)a.total = (nuint)device.Options.MemoryBytes;
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuMemAlloc_v2(nint address, nuint bytes) => RunStarted(nameof(cuMemAlloc_v2), (address, bytes), static (device, a) =>
    {
        SoftwareContext context = device.CurrentContext();
        ForbidInCapture(device, nameof(cuMemAlloc_v2));
        *(nint*)a.address = device.Memory.Allocate(checked((long)a.bytes), context, isForeign: false).Address;
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuMemFree_v2(nint address) => RunStarted(nameof(cuMemFree_v2), address, static (device, address) =>
    {
        device.Memory.ThrowIfFromAnEarlierDevice(address);
        _ = device.CurrentContext();
        ForbidInCapture(device, nameof(cuMemFree_v2));
        device.Memory.Free(address);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuMemHostAlloc(nint address, nuint bytes, uint flags) =>
        RunStarted(nameof(cuMemHostAlloc), (address, bytes, flags), static (device, a) =>
    {
        SoftwareContext context = device.CurrentContext();
        ForbidInCapture(device, nameof(cuMemHostAlloc));
        if (a.flags > 7)
        {
            throw new NativeFailure(CudaResult.InvalidValue, $"cuMemHostAlloc knows no flags {a.flags}.");
        }

        *(nint*)a.address = device.Pinned.Allocate(checked((long)a.bytes), context);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuMemFreeHost(nint address) => RunStarted(nameof(cuMemFreeHost), address, static (device, address) =>
    {
        _ = device.CurrentContext();
        ForbidInCapture(device, nameof(cuMemFreeHost));
        device.Pinned.Free(address);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuMemcpyHtoDAsync_v2(nint destination, nint source, nuint bytes, nint stream) =>
        RunStarted(nameof(cuMemcpyHtoDAsync_v2), (destination, source, bytes, stream), static (device, a) =>
            Copy(device, LaunchKind.CopyToDevice, nameof(cuMemcpyHtoDAsync_v2), a.destination, a.source, a.bytes, a.stream));

    [UnmanagedCallersOnly]
    public static int cuMemcpyDtoHAsync_v2(nint destination, nint source, nuint bytes, nint stream) =>
        RunStarted(nameof(cuMemcpyDtoHAsync_v2), (destination, source, bytes, stream), static (device, a) =>
            Copy(device, LaunchKind.CopyToHost, nameof(cuMemcpyDtoHAsync_v2), a.destination, a.source, a.bytes, a.stream));

    [UnmanagedCallersOnly]
    public static int cuMemcpyDtoDAsync_v2(nint destination, nint source, nuint bytes, nint stream) =>
        RunStarted(nameof(cuMemcpyDtoDAsync_v2), (destination, source, bytes, stream), static (device, a) =>
            Copy(device, LaunchKind.CopyOnDevice, nameof(cuMemcpyDtoDAsync_v2), a.destination, a.source, a.bytes, a.stream));

    [UnmanagedCallersOnly]
    public static int cuMemsetD8Async(nint destination, byte value, nuint bytes, nint stream) =>
        RunStarted(nameof(cuMemsetD8Async), (destination, value, bytes, stream), static (device, a) =>
        {
            SoftwareStream stream = StreamQueue.Find(device, a.stream);
            long length = checked((long)a.bytes);
            _ = device.Memory.Resolve(a.destination, length, stream.Context.Ordinal, nameof(cuMemsetD8Async), CudaResult.InvalidValue);
            var launch = new Launch(a.stream, LaunchKind.Fill, nameof(cuMemsetD8Async)) { Bytes = length };
            StreamQueue.Put(device, stream, new FillOperation(launch, a.destination, a.value));
            return CudaResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int cuPointerGetAttribute(nint value, int attribute, nint address) =>
        RunStarted(nameof(cuPointerGetAttribute), (value, attribute, address), static (device, a) =>
        {
            _ = device.CurrentContext();
            Allocation? pinned = device.Pinned.Containing(a.address);
            if ((device.Memory.Containing(a.address) ?? pinned) is not { } found)
            {
                return CudaResult.InvalidValue;
            }

            switch (a.attribute)
            {
                case 1:
                    *(nint*)a.value = found.Context!.Handle;
                    break;
                case 2:
                    *(int*)a.value = pinned is null ? DeviceMemory : HostMemory;
                    break;
                case 9:
                    *(int*)a.value = found.Ordinal;
                    break;
                case 11:
                    *(nint*)a.value = found.Address;
                    break;
                case 12:
                    *(nuint*)a.value = (nuint)found.Bytes;
                    break;
                case 13:
                    *(int*)a.value = a.address - found.Address < found.MappedBytes ? 1 : 0;
                    break;
                default:
                    throw new NativeFailure(
                        CudaResult.InvalidValue, $"Pointer attribute {a.attribute} is not one that the software device knows.");
            }

            return CudaResult.Success;
        });

    private static int Copy(SoftwareDevice device, LaunchKind kind, string name, nint destination, nint source, nuint size, nint handle)
    {
        SoftwareStream stream = StreamQueue.Find(device, handle);
        long bytes = checked((long)size);
        nint host = kind == LaunchKind.CopyToDevice ? source : destination;
        Allocation? pinned = null;
        if (kind != LaunchKind.CopyOnDevice)
        {
            if (host == 0 || AddressSpace.Contains(host))
            {
                throw new NativeFailure(CudaResult.InvalidValue, $"0x{host:x} was given to {name} in the place of host memory.");
            }

            pinned = device.Pinned.Containing(host);
            if (pinned is not null && bytes > pinned.Bytes - (host - pinned.Address))
            {
                throw new NativeFailure(CudaResult.InvalidValue, $"{name} leaves {pinned} of pinned memory.");
            }
        }

        if (kind != LaunchKind.CopyToHost)
        {
            _ = device.Memory.Resolve(destination, bytes, stream.Context.Ordinal, name, CudaResult.InvalidValue);
        }

        if (kind != LaunchKind.CopyToDevice)
        {
            _ = device.Memory.Resolve(source, bytes, stream.Context.Ordinal, name, CudaResult.InvalidValue);
        }

        if (kind == LaunchKind.CopyOnDevice && destination < source + bytes && source < destination + bytes)
        {
            throw new NativeFailure(CudaResult.InvalidValue, $"{name} between regions that overlap.");
        }

        var launch = new Launch(handle, kind, name) { Bytes = bytes };
        StreamQueue.Put(device, stream, new CopyOperation(launch, destination, source, pinned));
        return CudaResult.Success;
    }
}
