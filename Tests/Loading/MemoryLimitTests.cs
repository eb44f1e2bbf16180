using NativeFfn.Backends.Cpu.Memory;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>Whose limit of memory counts: the machine's and each control group's, never the managed heap's.</summary>
public sealed class MemoryLimitTests
{
    private const long Machine = 1000L * 1024;

    [TestCase("0::/a/b\n", "a/memory.max", "5000", 5000L)]
    [TestCase("0::/a/b\n", "memory.max", "max", Machine)]
    [TestCase("0::/\n", "memory.max", "7000", 7000L)]
    [TestCase("3:cpu,memory:/a\n", "memory/a/memory.limit_in_bytes", "6000", 6000L)]
    [TestCase("3:memory:/a\n", "memory/memory.limit_in_bytes", "9223372036854771712", Machine)]
    public void The_smallest_limit_counts(string groups, string file, string value, long expected)
    {
        string folder = Directory.CreateTempSubdirectory("nativeffn-memory").FullName;
        try
        {
            Put(folder, "meminfo", "MemTotal:       1000 kB\nMemFree:        1 kB\n");
            Put(folder, "self/cgroup", groups);
            Put(folder, "groups/" + file, value);
            MemoryLimit limit = MemoryLimit.Read(folder, Path.Combine(folder, "groups"));
            Assert.That(limit.Bytes, Is.EqualTo(expected));
            Assert.That(limit.Source, expected == Machine ? Is.EqualTo("the machine") : Does.StartWith("the container (").And.Contain(file));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Put(string folder, string file, string text)
    {
        string path = Path.Combine(folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
