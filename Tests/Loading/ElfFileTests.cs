using System.Diagnostics;
using NativeFfn.Bindings.Loading;
using NUnit.Framework;

namespace NativeFfn.Tests.Loading;

/// <summary>A broken library is refused before the loader maps it, as a page past a file's end kills the process.</summary>
[Platform("Linux")]
public sealed class ElfFileTests
{
    private string _folder = null!;

    private static string Whole => Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libSystem.Native.so");

    [SetUp]
    public void MakeFolder() => _folder = Directory.CreateTempSubdirectory("nativeffn-elf").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void A_whole_library_is_sound() => Assert.That(ElfFile.WhyBroken(Whole), Is.Null);

    [Test]
    public void A_library_cut_anywhere_is_refused()
    {
        byte[] bytes = File.ReadAllBytes(Whole);
        string file = Path.Combine(_folder, "cut.so");
        foreach (int length in new[] { 0, 1, 63, 64, 100, 4096, bytes.Length / 4, bytes.Length / 2, bytes.Length - 1 })
        {
            File.WriteAllBytes(file, bytes[..length]);
            bool loaded = DynamicLinker.TryLoadLocal(file, out _, out string? problem);
            Assert.That(loaded, Is.False, $"{length} bytes");
            Assert.That(problem, Does.Contain(file).And.Contain("truncated").Or.Contain("file too short"), $"{length} bytes");
        }
    }

    [TestCase(0, "invalid ELF header")]
    [TestCase(4, "another processor")]
    [TestCase(16, "no shared library")]
    [TestCase(18, "another processor")]
    [TestCase(54, "invalid ELF header")]
    [TestCase(39, "truncated")]
    [TestCase(47, "truncated")]
    public void A_changed_header_is_refused(int offset, string problem)
    {
        byte[] bytes = File.ReadAllBytes(Whole);
        bytes[offset] ^= 0x7F;
        string file = Path.Combine(_folder, "changed.so");
        File.WriteAllBytes(file, bytes);
        Assert.That(ElfFile.WhyBroken(file), Does.Contain(file).And.Contain(problem));
    }

    [Test]
    public void A_pipe_is_refused_at_once()
    {
        string pipe = Path.Combine(_folder, "pipe.so");
        using (var mkfifo = Process.Start("mkfifo", [pipe]))
        {
            mkfifo.WaitForExit();
        }

        Assert.That(ElfFile.WhyBroken(pipe), Does.Contain("not a file with contents"));
        Assert.That(FileOwnership.IsReadable(pipe), Is.False);
    }
}
