using System.Diagnostics;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, in a process of their own.</summary>
[Category(Needs.Clone)]
public class SanitizerTests
{
    // It has numbers of one, two and four bytes; build/check-kernels.sh alone runs all precisions.
    private const string Precision = "E4M3";

    [Test]
    public void No_kernel_touches_what_is_not_its_own()
    {
        _ = EmulatedKernels.Of(KernelPrecision.Of(Precision));
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "build", "check-kernels.sh"), [Precision])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, errors.Result);
        Assert.That(said, Does.Match("^[1-9][0-9]* launches, no error found\n$"));
    }
}
