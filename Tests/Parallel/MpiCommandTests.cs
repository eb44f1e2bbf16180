using NativeFfn.Tests.Cli;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>The command under the launchers of Open MPI and MPICH, where they are installed.</summary>
[TestFixtureSource(typeof(MpiJob), nameof(MpiJob.Launchers))]
public sealed class MpiCommandTests(string launcher, string options)
{
    [OneTimeSetUp]
    public void RequireLauncher() => MpiJob.Require(launcher);

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
    public void Verify_passes_in_chunks_of_tokens([Values(2, 3)] int ranks, [Values(2, 5)] int chunks)
    {
        (int code, string output, string error) = Launch(
            ranks, "verify", "--model", GoldenCases.Find("llama").Directory, "--parallel", "auto", "--parallel-chunks", $"{chunks}",
            "--threads", "1", "--json");
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

    [Test]
    public void What_rank_0_alone_fails_of_ends_the_job()
    {
        using var folder = new CommandFolder();
        (int code, _, string error) = Launch(
            2, "forward", "--model", GoldenCases.Find("llama").Directory, "--parallel", "auto", "--threads", "1", "--input",
            folder["missing.safetensors"], "--output", folder["out.safetensors"]);
        Assert.That(code, Is.Not.Zero);
        Assert.That(error.Split("missing.safetensors"), Has.Length.EqualTo(2), error);
    }

    private (int Code, string Output, string Error) Launch(int ranks, params string[] arguments)
    {
        using var job = new MpiJob(launcher, options, ranks, [MpiJob.Command, .. arguments]);
        return (job.Wait(), job.Output.GetAwaiter().GetResult(), job.Error.GetAwaiter().GetResult());
    }
}
