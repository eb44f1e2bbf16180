using System.Globalization;

namespace NativeFfn.Cli.Benchmarking;

/// <summary>The size of the processor's largest cache.</summary>
internal static class LastLevelCache
{
    private const string LinuxCaches = "/sys/devices/system/cpu/cpu0/cache";

    // Where the system does not tell: more than most processors have.
    private const long UnknownBytes = 64L << 20;

    /// <summary>Bytes of it.</summary>
    public static long Bytes => BytesIn(LinuxCaches);

    /// <summary>Bytes of the largest cache that a folder of Linux describes; a cautious guess where there is none.</summary>
    /// <param name="folder">The folder, with a folder <c>index0</c>, <c>index1</c> … for each cache.</param>
    public static long BytesIn(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateDirectories(folder, "index*").Select(static cache => ReadSize(Path.Combine(cache, "size"))).DefaultIfEmpty().Max() is > 0 and var bytes
            ? bytes
            : UnknownBytes
        : UnknownBytes;

    // Such as 32768K: Documentation/ABI/testing/sysfs-devices-system-cpu of Linux.
    private static long ReadSize(string file)
    {
        string text = File.Exists(file) ? File.ReadAllText(file).Trim() : string.Empty;
        int shift = text.Length == 0 ? 0 : text[^1] switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 };
        return long.TryParse(text.AsSpan().TrimEnd("KMG"), NumberStyles.None, CultureInfo.InvariantCulture, out long size) ? size << shift : 0;
    }
}
