using System.Diagnostics;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>The command under the launchers of Open MPI and MPICH, where they are installed.</summary>
[TestFixture("mpirun.openmpi", "--oversubscribe --bind-to none")]
[TestFixture("mpiexec.mpich", "")]
public sealed class MpiCommandTests(string launcher, string options)
{
    // Many times what a run takes here.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    [OneTimeSetUp]
    public void RequireLauncher()
    {
        if (!CommandPath.Has(launcher))
        {
            Assert.Ignore($"{launcher} is not installed (Debian: openmpi-bin, mpich).");
        }
    }

    [TestCase("llama", 2, "auto")]
    [TestCase("llama", 3, "tensor=3")]
    [TestCase("gpt2", 2, "tensor=2")]
    [TestCase("mixtral", 2, "expert=2")]
    [TestCase("qwen2_moe", 3, "auto")]
    public void Verify_passes(string model, int ranks, string plan)
    {
        (int code, string output, string error) = Launch(
            ranks, "verify", "--model", GoldenCases.Find(model).Directory, "--parallel", plan, "--threads", "1", "--json");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain("\"passed\": true"));
    }

    [Test]
    public void One_error_is_told_once()
    {
        (int code, _, string error) = Launch(2, "verify", "--model", GoldenCases.Find("llama").Directory, "--parallel", "tensor=5");
        Assert.That(code, Is.Not.Zero);
        Assert.That(error.Split("The plan tensor=5,expert=1 is for 5 ranks, and there are 2"), Has.Length.EqualTo(2), error);
    }

    private (int Code, string Output, string Error) Launch(int ranks, params string[] arguments)
    {
        var start = new ProcessStartInfo(launcher) { RedirectStandardOutput = true, RedirectStandardError = true };
        string command = Path.Combine(AppContext.BaseDirectory, "NativeFfn.Cli.dll");
        foreach (string word in (string[])[
            .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), "-n", $"{ranks}", "dotnet", command, .. arguments])
        {
            start.ArgumentList.Add(word);
        }

        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1";
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        using Process job = Process.Start(start)!;
        Task<string> output = job.StandardOutput.ReadToEndAsync();
        Task<string> error = job.StandardError.ReadToEndAsync();
        if (!job.WaitForExit(Limit))
        {
            job.Kill(entireProcessTree: true);
            Assert.Fail($"{launcher} did not end within {Limit.TotalSeconds} s.");
        }

        return (job.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }
}
