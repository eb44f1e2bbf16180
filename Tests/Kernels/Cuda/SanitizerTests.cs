using System.Diagnostics;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Kernels.Cuda;

/// <summary>The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, in a process of their own.</summary>
public class SanitizerTests
{
    [Test]
    public void No_kernel_touches_what_is_not_its_own([Values("F32", "BF16", "F16", "E4M3")] string precision)
    {
        _ = EmulatedKernels.Of(KernelPrecision.Of(precision));
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "build", "check-kernels.sh"), [precision])
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
