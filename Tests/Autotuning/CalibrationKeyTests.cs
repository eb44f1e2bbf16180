using NativeFfn.Tests.Cli;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Autotuning;

/// <summary>What was measured on one processor says nothing of another, as a home folder may be on many machines.</summary>
[Platform("Linux")]
[Category("Mkl")]
[Category(Needs.Sdk)]
public sealed class CalibrationKeyTests
{
    [Test]
    public void A_measurements_file_is_one_processors()
    {
        string mkl = MklUnderTest.Load().Path;
        string processor = File.ReadLines("/proc/cpuinfo").First(static line => line.StartsWith("model name", StringComparison.Ordinal));
        using var folder = new CommandFolder();
        string model = folder.Checkpoint();
        (int exitCode, _, string error) = CommandProcess.Run(
            new Dictionary<string, string?> { ["NATIVEFFN_CACHE"] = folder["cache"] },
            "forward", "--model", model, "--backend", "mkl", "--mkl-path", mkl,
            "--input", folder["model/input.safetensors"], "--output", folder["o"]);
        Assert.That(exitCode, Is.Zero, error);
        string[] headings = [.. Directory.EnumerateFiles(folder["cache"], "*.txt", SearchOption.AllDirectories)
            .Select(static file => File.ReadLines(file).First())];
        Assert.That(headings, Is.Not.Empty.And.All.Contains(processor.Split(':')[1].Trim()).And.All.Contains("MKL 20"));
    }
}
