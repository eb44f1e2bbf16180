using NativeFfn.Bindings.Cuda;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Bench.Gpu;

/// <summary>The rate of a large copy within the memory. It turns between reading and writing; nothing but reading may be somewhat faster.</summary>
internal static class CopyRate
{
    // The two ends of a copy take this part of what is free at most.
    private const int FreeParts = 8;

    /// <summary>Bytes a second, those read and those written together.</summary>
    /// <param name="stream">Where the copies run.</param>
    /// <param name="bytes">Bytes of one copy; fewer where the device has no room.</param>
    /// <param name="seconds">How long at least.</param>
    public static double Measure(CudaStream stream, long bytes, double seconds)
    {
        long length = Math.Min(bytes, stream.Context.MemoryInfo().Free / FreeParts);
        using DeviceMemory source = stream.Context.Allocate(length);
        using DeviceMemory destination = stream.Context.Allocate(length);
        using var numbers = new RandomNumbers(stream);
        numbers.Fill(source.Region, Bindings.CuBlasLt.CudaDataType.Float32);
        using var timer = new DeviceTimer(stream);
        Times times = timer.Measure(seconds, _ => stream.CopyOnDevice(source.Region, destination.Region));
        return 2.0 * length / (times.MedianMs / 1e3);
    }
}
