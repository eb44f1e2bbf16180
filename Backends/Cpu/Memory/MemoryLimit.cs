using System.Globalization;

namespace NativeFfn.Backends.Cpu.Memory;

/// <summary>The memory that this process may use outside the managed heap, whose own limit does not count, and who sets it.</summary>
/// <param name="Bytes">Bytes.</param>
/// <param name="Source">Who says so, as the subject of a sentence.</param>
internal sealed record MemoryLimit(long Bytes, string Source)
{
    private const string ControlGroups = "/sys/fs/cgroup";

    private static readonly Lazy<MemoryLimit> OfThisProcess = new(static () => Read("/proc", ControlGroups));

    /// <summary>This process's limit, read once.</summary>
    public static MemoryLimit Process => OfThisProcess.Value;

    /// <summary>Reads the limit of the machine and of the control groups that the process is in, each of which counts.</summary>
    /// <param name="processes">The folder of the system's files on processes and memory.</param>
    /// <param name="groups">The folder of control groups.</param>
    public static MemoryLimit Read(string processes, string groups)
    {
        MemoryLimit limit = MachineMemory(Path.Combine(processes, "meminfo")) is { } bytes
            ? new MemoryLimit(bytes, "the machine")
            : new MemoryLimit(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, "this process");
        foreach (string line in Lines(Path.Combine(processes, "self", "cgroup")))
        {
            // hierarchy:controllers:path, the controllers empty in version 2.
            string[] parts = line.Split(':', 3);
            if (parts.Length == 3 && (parts[1].Length == 0 || parts[1].Split(',').Contains("memory")))
            {
                bool isSecond = parts[1].Length == 0;
                limit = Smallest(
                    limit, isSecond ? groups : Path.Combine(groups, "memory"), parts[2], isSecond ? "memory.max" : "memory.limit_in_bytes");
            }
        }

        return limit;
    }

    // A group is held by the groups above it. Where the container sees its own group as the root, only that is there.
    private static MemoryLimit Smallest(MemoryLimit limit, string root, string path, string name)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int depth = parts.Contains("..") ? 0 : parts.Length; depth >= 0; depth--)
        {
            string file = Path.Combine([root, .. parts.AsSpan(0, depth), name]);
            string? text = Lines(file).FirstOrDefault();
            if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) && bytes < limit.Bytes)
            {
                limit = new MemoryLimit(bytes, $"the container ({file})");
            }
        }

        return limit;
    }

    // "MemTotal:       32768000 kB"
    private static long? MachineMemory(string file) =>
        Lines(file).FirstOrDefault(static line => line.StartsWith("MemTotal:", StringComparison.Ordinal)) is { } line
        && line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var number, ..]
        && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long kilobytes)
            ? kilobytes * 1024
            : null;

    private static string[] Lines(string file)
    {
        try
        {
            return File.Exists(file) ? File.ReadAllLines(file) : [];
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
