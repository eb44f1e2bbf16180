using System.Diagnostics;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

/// <summary>The program as a file.</summary>
[Category(Needs.Sdk)]
public sealed class ProgramTests
{
    [Test]
    public void The_file_is_called_as_the_command_is()
    {
        string name = OperatingSystem.IsWindows() ? "nativeffn.exe" : "nativeffn";
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, name), ["completion", "bash"]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        Assert.That(process.StandardOutput.ReadToEnd(), Does.Contain("_nativeffn()"));
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero);
    }
}
