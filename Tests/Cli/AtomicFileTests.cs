using System.IO.Pipes;
using NativeFfn.Cli.Files;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

public sealed class AtomicFileTests
{
    [Test]
    public void An_older_file_is_replaced_and_nothing_is_left_beside_it()
    {
        using var folder = new CommandFolder();
        File.WriteAllText(folder["f"], "a much longer text");
        AtomicFile.WriteText(folder["f"], "new");
        Assert.That(File.ReadAllText(folder["f"]), Is.EqualTo("new"));
        Assert.That(folder.Entries, Is.EqualTo(new[] { "f" }));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void A_link_stays_a_link(bool targetExists)
    {
        using var folder = new CommandFolder();
        if (targetExists)
        {
            File.WriteAllText(folder["target"], "old");
        }

        File.CreateSymbolicLink(folder["link"], "target");
        AtomicFile.WriteText(folder["link"], "new");
        Assert.That(new FileInfo(folder["link"]).LinkTarget, Is.EqualTo("target"));
        Assert.That(File.ReadAllText(folder["target"]), Is.EqualTo("new"));
    }

    [Test]
    [Platform("Linux")]
    public void A_pipe_is_written_directly()
    {
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        AtomicFile.WriteText($"/proc/self/fd/{pipe.GetClientHandleAsString()}", "through");
        pipe.DisposeLocalCopyOfClientHandle();
        using var reader = new StreamReader(pipe);
        Assert.That(reader.ReadToEnd(), Is.EqualTo("through"));
    }

    [Test]
    public void A_failure_leaves_nothing()
    {
        using var folder = new CommandFolder();
        Directory.CreateDirectory(folder["d"]);
        Assert.That(() => AtomicFile.WriteText(folder["d"], "new"), Throws.Exception);
        Assert.That(folder.Entries, Is.EqualTo(new[] { "d" }));
    }
}
