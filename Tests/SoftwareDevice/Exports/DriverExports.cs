using System.Runtime.InteropServices;
using System.Text;

namespace NativeFfn.Tests.Software;

/// <summary>libcuda's functions, with their C signatures: pointers and handles are nint, size_t is nuint, CUresult is int.</summary>
internal static unsafe partial class DriverExports
{
    private const int MostDevices = 16;
    private const int MaxThreadsPerBlock = 1024;
    private const int MaxGridY = 65535;
    private const int MaxSharedBytes = 48 << 10;

    private static readonly Dictionary<int, nint> Names = [];

    [UnmanagedCallersOnly]
    public static int cuInit(uint flags) => Run(nameof(cuInit), flags, static (device, flags) =>
    {
        if (flags != 0)
        {
            return CudaResult.InvalidValue;
        }

        device.IsInitialized = true;
        return device.Options is { DeviceCount: 0, StartsWithoutDevices: false } ? CudaResult.NoDevice : CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuDriverGetVersion(nint version) => Run(nameof(cuDriverGetVersion), version, static (device, version) =>
    {
        *(int*)version = device.Options.DriverVersion;
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuGetErrorName(int status, nint text) => Text(status, CudaResult.Name(status), (nint*)text);

    [UnmanagedCallersOnly]
    public static int cuGetErrorString(int status, nint text) =>
        Text(-status - 1, $"software device: {CudaResult.Name(status)}", (nint*)text, CudaResult.Name(status).Length > 0);

    [UnmanagedCallersOnly]
    public static int cuDeviceGetCount(nint count) => RunStarted(nameof(cuDeviceGetCount), count, static (device, count) =>
    {
        *(int*)count = device.Options.DeviceCount;
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuDeviceGet(nint handle, int ordinal) => RunStarted(nameof(cuDeviceGet), (handle, ordinal), static (device, a) =>
    {
        if (a.ordinal < 0 || a.ordinal >= device.Options.DeviceCount)
        {
            throw new NativeFailure(CudaResult.InvalidDevice, $"There is no device {a.ordinal}.");
        }

        *(int*)a.handle = DeviceHandle(device, a.ordinal);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuDeviceGetName(nint name, int length, int handle) =>
        RunStarted(nameof(cuDeviceGetName), (name, length, handle), static (device, a) =>
        {
            _ = Ordinal(device, a.handle);
            var destination = new Span<byte>((void*)a.name, a.length);
            destination.Clear();
            Encoding.UTF8.GetBytes(SoftwareDevice.Name.AsSpan(0, Math.Min(SoftwareDevice.Name.Length, a.length - 1)), destination);
            return CudaResult.Success;
        });

    [UnmanagedCallersOnly]
    public static int cuDeviceGetUuid_v2(nint uuid, int handle) =>
        RunStarted(nameof(cuDeviceGetUuid_v2), (uuid, handle), static (device, a) =>
    {
        var bytes = new Span<byte>((void*)a.uuid, 16);
        bytes.Clear();
        "software"u8.CopyTo(bytes);
        bytes[^1] = (byte)Ordinal(device, a.handle);
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuDeviceTotalMem_v2(nint bytes, int handle) =>
        RunStarted(nameof(cuDeviceTotalMem_v2), (bytes, handle), static (device, a) =>
    {
        _ = Ordinal(device, a.handle);
        *(nuint*)a.bytes = (nuint)device.Options.MemoryBytes;
        return CudaResult.Success;
    });

    [UnmanagedCallersOnly]
    public static int cuDeviceGetAttribute(nint value, int attribute, int handle) =>
        RunStarted(nameof(cuDeviceGetAttribute), (value, attribute, handle), static (device, a) =>
        {
            _ = Ordinal(device, a.handle);
            if (Attribute(device.Options, a.attribute) is not { } known)
            {
                throw new NativeFailure(
                    CudaResult.InvalidValue, $"Device attribute {a.attribute} is not one that the software device knows.");
            }

            *(int*)a.value = known;
            return CudaResult.Success;
        });

    // Values of CUdevice_attribute; what is not told by the options is like an H100.
    private static int? Attribute(SoftwareDeviceOptions options, int attribute) => attribute switch
    {
        1 => MaxThreadsPerBlock,
        2 or 3 => MaxThreadsPerBlock,
        4 => 64,
        5 => options.MaxGridX,
        6 or 7 => MaxGridY,
        8 => MaxSharedBytes,
        10 => 32,
        16 => options.Multiprocessors,
        18 or 20 => 0,
        38 => options.CacheBytes,
        39 => 2048,
        41 => 1,
        75 => options.Major,
        76 => options.Minor,
        97 => 227 << 10,
        115 => 0,
        _ => null,
    };

    // CUdevice: not the ordinal, and another one for every software device, so that a late finalizer of an earlier one is known.
    private static int DeviceHandle(SoftwareDevice device, int ordinal) => (device.Generation * MostDevices) + ordinal;

    private static int Ordinal(SoftwareDevice device, int handle)
    {
        int ordinal = handle - DeviceHandle(device, 0);
        if (ordinal < 0 && handle >= MostDevices)
        {
            throw new NativeFailure(CudaResult.Deinitialized);
        }

        return ordinal >= 0 && ordinal < device.Options.DeviceCount
            ? ordinal
            : throw new NativeFailure(CudaResult.InvalidDevice, $"{handle} is no CUdevice.");
    }

    private static int Text(int key, string text, nint* pointer, bool known = true)
    {
        lock (Names)
        {
            if (!known || text.Length == 0)
            {
                *pointer = 0;
                return CudaResult.InvalidValue;
            }

            if (!Names.TryGetValue(key, out nint address))
            {
                Names.Add(key, address = Marshal.StringToCoTaskMemUTF8(text));
            }

            *pointer = address;
            return CudaResult.Success;
        }
    }

    private static int Run<T>(string name, T arguments, Func<SoftwareDevice, T, int> work) =>
        ExportCall.Run(ExportCall.Driver, name, arguments, work);

    // A call that is forbidden before cuInit.
    private static int RunStarted<T>(string name, T arguments, Func<SoftwareDevice, T, int> work) =>
        ExportCall.Run(ExportCall.Driver, name, arguments, work, needsStart: true);

    // A call that a capture of this thread, or a global one of any thread, forbids.
    private static void ForbidInCapture(SoftwareDevice device, string name)
    {
        bool spoiled = false;
        foreach (SoftwareContext context in device.AllContexts)
        {
            foreach (SoftwareStream stream in context.Streams)
            {
                if (stream.Capture is { } capture
                    && (capture.Mode == Capture.Global || (capture.Mode == Capture.ThreadLocal && capture.Thread == Thread.CurrentThread)))
                {
                    spoiled = capture.IsInvalid = true;
                }
            }
        }

        if (spoiled)
        {
            throw new NativeFailure(CudaResult.CaptureUnsupported, $"{name} while a stream is captured.");
        }
    }
}
