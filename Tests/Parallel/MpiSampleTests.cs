using System.Globalization;
using System.Text.RegularExpressions;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>The sample in which every rank has tokens of its own, under the launchers of Open MPI and MPICH.</summary>
[TestFixtureSource(typeof(MpiJob), nameof(MpiJob.Launchers))]
public sealed partial class MpiSampleTests(string launcher, string options)
{
    [OneTimeSetUp]
    public void RequireLauncher() => MpiJob.Require(launcher);

    [TestCase("llama", 2, "auto")]
    [TestCase("llama", 3, "tensor=3")]
    [TestCase("mixtral", 2, "expert=2")]
    [TestCase("mixtral", 4, "tensor=2,expert=2")]
    [TestCase("mixtral", 4, "expert=4")]
    [TestCase("qwen2_moe", 3, "expert=3")]
    public void Every_rank_has_its_own_answer(string model, int ranks, string plan)
    {
        string path = GoldenCases.Find(model).Directory;
        using var job = new MpiJob(launcher, options, ranks, Path.Combine(AppContext.BaseDirectory, "Ranks.dll"), path, plan);
        Assert.That(job.Wait(), Is.Zero, () => job.Error.GetAwaiter().GetResult());
        var printed = Printed().Matches(job.Output.GetAwaiter().GetResult()).ToDictionary(
            static line => int.Parse(line.Groups[1].Value, CultureInfo.InvariantCulture),
            static line => Array.ConvertAll(
                line.Groups[2].Value.Split(", "), static text => float.Parse(text, CultureInfo.InvariantCulture)));
        Assert.That(printed.Keys, Is.EquivalentTo(Enumerable.Range(0, ranks)));

        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed, Threads = 1 });
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(path);
        using FfnLayer layer = engine.LoadLayer(checkpoint, 0);
        int width = layer.Spec.InputWidth;
        for (int rank = 0; rank < ranks; rank++)
        {
            float[] x = [.. Enumerable.Range(0, (rank + 1) * width).Select(i => MathF.Sin((1000 * rank) + i))];
            layer.ForwardResidual(x, x, x);
            Assert.That(printed[rank], Is.EqualTo(x[^width..][..4]).Within(1e-5f), $"rank {rank}");
        }
    }

    [GeneratedRegex(@"rank (\d+) of \d+: x \+ FFN\(x\) of its last token starts with (.*)")]
    private static partial Regex Printed();
}
