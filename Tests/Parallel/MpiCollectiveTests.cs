using System.Reflection;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>Operations of ranks under the launchers of Open MPI and MPICH.</summary>
[TestFixtureSource(typeof(MpiJob), nameof(MpiJob.Launchers))]
public sealed class MpiCollectiveTests(string launcher, string options)
{
    [OneTimeSetUp]
    public void RequireLauncher() => MpiJob.Require(launcher);

    [Test]
    public void Operations_give_every_rank_what_is_its_own([Range(2, 4)] int ranks)
    {
        using var job = new MpiJob(
            launcher, options, ranks, Assembly.GetExecutingAssembly().Location, "--filter", $"FullyQualifiedName~{nameof(MpiRankTests)}",
            "--progress", "off", "--no-ansi");
        int code = job.Wait();
        string output = job.Output.GetAwaiter().GetResult();
        Assert.That(code, Is.Zero, output);
        Assert.That(output.Split("succeeded: 1"), Has.Length.EqualTo(ranks + 1), output);
    }
}
