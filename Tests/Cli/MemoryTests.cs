using System.Diagnostics;
using System.Globalization;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Cli;

/// <summary>What a forward of one layer of a larger checkpoint takes, seen from outside its process.</summary>
[Platform("Linux")]
[Category(Needs.Sdk)]
public sealed class MemoryTests
{
    private const int DModel = 1024;
    private const int DFf = 8192;

    // The promise: room for the layer, a fifth of it, and this much for everything else.
    private const double Factor = 1.2;
    private const long Rest = 150_000_000;

    [Test]
    public void One_layer_is_read_and_held_once(
        [Values("f32", "bf16")] string type, [Values("f32", "bf16")] string precision, [Values("managed", "mkl")] string backend)
    {
        if (backend == "mkl")
        {
            MklUnderTest.Load();
        }

        using var folder = new CommandFolder();
        string model = folder["model"];
        CommandRun.Done("init", "--shape", $"{DModel}x{DFf}", "--layers", "3", "--dtype", type, "--output", model, "--sample-input", "64");
        using Process process = CommandProcess.Start(
            new Dictionary<string, string?>(),
            "forward", "--model", model, "--layer", "1", "--backend", backend, "--precision", precision,
            "--input", Path.Combine(model, "input.safetensors"), "--output", folder["y"]);
        (long peak, long read) = (0, 0);
        while (!process.HasExited)
        {
            // Both only grow, so the last look before the end counts.
            peak = Math.Max(peak, 1024 * Field(process, "status", "VmHWM:"));
            read = Math.Max(read, Field(process, "io", "rchar:"));
        }

        long stored = 3L * DModel * DFf * (type == "f32" ? 4 : 2);
        long layer = 3L * DModel * DFf * (precision == "f32" ? 4 : 2);
        Assert.Multiple(() =>
        {
            Assert.That(process.ExitCode, Is.Zero, process.StandardError.ReadToEnd());
            Assert.That(peak, Is.GreaterThan(layer).And.LessThan((Factor * layer) + Rest));
            Assert.That(read, Is.GreaterThan(stored).And.LessThan(1.5 * stored), "bytes read, of a file three times the layer");
        });
    }

    private static long Field(Process process, string file, string name)
    {
        try
        {
            string? line = File.ReadLines($"/proc/{process.Id}/{file}").FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal));
            return line is null ? 0 : long.Parse(line[name.Length..].Replace("kB", string.Empty, StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            // It ended between two looks.
            return 0;
        }
    }
}
