using System.Globalization;
using System.Runtime.InteropServices;
using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Cuda;

/// <summary>The CUDA driver, started. Immutable and safe for use by several threads at once.</summary>
internal sealed unsafe class CudaDriver
{
    /// <summary>CUDA 12.0, as the driver writes versions: 1000 · major + 10 · minor.</summary>
    public const int OldestVersion = 12000;

    // cuDeviceGetName takes the length of its buffer; names have some 40 characters.
    private const int NameCapacity = 256;

    private CudaDriver(CudaFunctions functions, string path, int version, int deviceCount)
    {
        (Functions, Path, Version, DeviceCount) = (functions, path, version, deviceCount);
    }

    /// <summary>The driver's functions.</summary>
    public CudaFunctions Functions { get; }

    /// <summary>The driver library's file.</summary>
    public string Path { get; }

    /// <summary>The newest CUDA that the driver serves: 12040 is 12.4.</summary>
    public int Version { get; }

    /// <summary>The major version of that, which libraries of the toolkit must not pass.</summary>
    public int Major => Version / 1000;

    /// <summary>Devices that this process sees; 1 or more.</summary>
    public int DeviceCount { get; }

    /// <summary>Resolves every function and starts the driver, which takes no context and no memory on any device.</summary>
    /// <exception cref="NativeLibraryException">A function is missing, or the driver is older than CUDA 12.0.</exception>
    /// <exception cref="CudaException">The driver does not start; without a GPU, <see cref="CudaException.IsNoDevice"/>.</exception>
    public static CudaDriver Start(NativeSymbols symbols)
    {
        var functions = new CudaFunctions(symbols);

        // The version is known before cuInit, which may refuse for another reason.
        int version = 0;
        CudaStatus.Check(functions, functions.cuDriverGetVersion(&version));
        if (version < OldestVersion)
        {
            throw new NativeLibraryException(
                $"The NVIDIA driver ({symbols.Path}) serves CUDA {Text(version)}; {Text(OldestVersion)} or newer is needed.", [],
                "Install a newer NVIDIA driver (525 or newer on Linux), or use the managed backend.");
        }

        CudaStatus.Check(functions, functions.cuInit(0));
        int count = 0;
        CudaStatus.Check(functions, functions.cuDeviceGetCount(&count));
        return count > 0
            ? new CudaDriver(functions, symbols.Path, version, count)
            : throw CudaStatus.Describe(functions, CudaStatus.NoDevice, nameof(functions.cuDeviceGetCount));
    }

    /// <summary>Reads a device's description.</summary>
    /// <param name="ordinal">0 to <see cref="DeviceCount"/> - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such device.</exception>
    /// <exception cref="CudaException">The driver refuses.</exception>
    public CudaDevice Device(int ordinal)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(ordinal, DeviceCount);
        int device = 0;
        CudaStatus.Check(Functions, Functions.cuDeviceGet(&device, ordinal));

        byte* name = stackalloc byte[NameCapacity];
        CudaStatus.Check(Functions, Functions.cuDeviceGetName(name, NameCapacity, device));
        name[NameCapacity - 1] = 0;
        nuint memory = 0;
        CudaStatus.Check(Functions, Functions.cuDeviceTotalMem_v2(&memory, device));
        return new CudaDevice
        {
            Ordinal = ordinal,
            Handle = device,
            Name = Marshal.PtrToStringUTF8((nint)name)!,
            Uuid = ReadUuid(device),
            Major = Read(device, CudaDeviceAttribute.ComputeCapabilityMajor),
            Minor = Read(device, CudaDeviceAttribute.ComputeCapabilityMinor),
            Multiprocessors = Read(device, CudaDeviceAttribute.MultiprocessorCount),
            CacheBytes = Read(device, CudaDeviceAttribute.L2CacheSize),
            MemoryBytes = checked((long)memory),
            MaxBlockThreads = Read(device, CudaDeviceAttribute.MaxThreadsPerBlock),
            MaxMultiprocessorThreads = Read(device, CudaDeviceAttribute.MaxThreadsPerMultiprocessor),
            MaxGridX = Read(device, CudaDeviceAttribute.MaxGridDimX),
            MaxGridY = Read(device, CudaDeviceAttribute.MaxGridDimY),
            MaxSharedBytes = Read(device, CudaDeviceAttribute.MaxSharedMemoryPerBlock),
        };
    }

    private static string Text(int version) => string.Create(CultureInfo.InvariantCulture, $"{version / 1000}.{version % 1000 / 10}");

    private int Read(int device, CudaDeviceAttribute attribute)
    {
        int value = 0;
        CudaStatus.Check(Functions, Functions.cuDeviceGetAttribute(&value, (int)attribute, device));
        return value;
    }

    private string ReadUuid(int device)
    {
        // CUuuid: 16 bytes in the order in which they are written.
        Guid uuid;
        CudaStatus.Check(Functions, Functions.cuDeviceGetUuid_v2(&uuid, device));
        return "GPU-" + new Guid(new ReadOnlySpan<byte>(&uuid, sizeof(Guid)), bigEndian: true).ToString("D");
    }
}
