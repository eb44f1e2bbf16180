using System.Collections.Immutable;
using System.Globalization;

namespace NativeFfn.Backends.Cpu.Numa;

/// <summary>A node as the system describes it.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Processors">Its processors; none where it is memory alone.</param>
/// <param name="MemoryBytes">Its memory; 0 where the system does not say.</param>
internal sealed record SystemNode(int Id, ImmutableArray<int> Processors, long MemoryBytes);

/// <summary>The nodes of a machine, read from the files that Linux has on them.</summary>
internal static class NumaTopology
{
    // Many times what the longest of these files has.
    private const int MostCharacters = 64 * 1024;

    private const string Prefix = "node";

    /// <summary>Reads the nodes in the order of their numbers.</summary>
    /// <param name="folder">The folder that has a folder for each.</param>
    /// <exception cref="InvalidDataException">It cannot be read, or has something else than lists of processors.</exception>
    public static ImmutableArray<SystemNode> Read(string folder)
    {
        try
        {
            var nodes = new SortedDictionary<int, SystemNode>();
            foreach (string path in Directory.EnumerateDirectories(folder, Prefix + "*"))
            {
                if (TryNumber(Path.GetFileName(path)[Prefix.Length..], out int id))
                {
                    nodes[id] = ReadNode(path, id);
                }
            }

            RequireApart(folder, nodes.Values);
            return [.. nodes.Values];
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"the nodes in {folder} cannot be read: {problem.Message}", problem);
        }
    }

    /// <summary>The nodes whose memory a process may use; null where that is not known.</summary>
    /// <param name="status">The system's file on the process.</param>
    public static ImmutableArray<int>? AllowedMemory(string status)
    {
        const string name = "Mems_allowed_list:";
        try
        {
            string? line = ReadText(status).Split('\n').FirstOrDefault(static line => line.StartsWith(name, StringComparison.Ordinal));
            return line is not null && ProcessorList.TryParse(line.AsSpan(name.Length), out ImmutableArray<int> nodes) ? nodes : null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whether the kernel moves pages by itself to where they are read.</summary>
    /// <param name="file">The kernel's file on it.</param>
    public static bool IsBalanced(string file)
    {
        try
        {
            return ReadText(file).Trim() is not ("" or "0");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static SystemNode ReadNode(string path, int id)
    {
        string file = Path.Combine(path, "cpulist");
        string text = ReadText(file).Trim();
        return ProcessorList.TryParse(text, out ImmutableArray<int> processors)
            ? new SystemNode(id, processors, ReadMemory(Path.Combine(path, "meminfo")))
            : throw new InvalidDataException($"{file} has '{Shortened(text)}' in place of a list of processors");
    }

    // "Node 0 MemTotal:       32768000 kB"
    private static long ReadMemory(string file)
    {
        try
        {
            foreach (string line in ReadText(file).Split('\n'))
            {
                string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                int name = Array.IndexOf(words, "MemTotal:");
                if (name >= 0 && name + 1 < words.Length
                    && long.TryParse(words[name + 1], NumberStyles.None, CultureInfo.InvariantCulture, out long kilobytes)
                    && kilobytes <= long.MaxValue / 1024)
                {
                    return kilobytes * 1024;
                }
            }
        }
        catch (IOException)
        {
            // What memory a node has is told and nothing more.
        }

        return 0;
    }

    private static void RequireApart(string folder, IEnumerable<SystemNode> nodes)
    {
        var seen = new HashSet<int>();
        foreach (SystemNode node in nodes)
        {
            foreach (int processor in node.Processors)
            {
                if (!seen.Add(processor))
                {
                    throw new InvalidDataException($"{folder} has processor {processor} on two nodes");
                }
            }
        }
    }

    private static string ReadText(string file)
    {
        using var reader = new StreamReader(file);
        var text = new char[MostCharacters];
        return new string(text, 0, reader.ReadBlock(text));
    }

    private static string Shortened(string text) => text.Length <= 40 ? text : text[..40] + "…";

    private static bool TryNumber(string text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
