using NativeFfn.Tests.Parity;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>Forwards in which every rank has tokens of its own, held against the oracle and the golden cases.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.CpuFixtures))]
public sealed class TogetherTests(BackendKind backend) : CpuBackendTests(backend)
{
    [Test]
    public void Dense_layers_give_every_rank_what_one_rank_gives([Range(2, 4)] int ranks)
    {
        foreach (ParityCase layer in RankCases.Dense(ranks).Where(static layer => layer.Mode != FfnMode.Residual))
        {
            Compare(layer, ranks, "auto");
        }
    }

    [TestCase(2, "auto")]
    [TestCase(2, "expert=2")]
    [TestCase(3, "tensor=3")]
    [TestCase(3, "expert=3")]
    [TestCase(4, "tensor=2,expert=2")]
    [TestCase(4, "expert=4")]
    public void Mixtures_give_every_rank_what_one_rank_gives(int ranks, string plan)
    {
        foreach (ParityCase layer in RankCases.Mixtures(ranks, plan).Where(static layer => layer.Mode != FfnMode.Residual))
        {
            Compare(layer, ranks, plan);
        }
    }

    [Test]
    public void Stacks_are_sent_for_each_pair([Values(2, 3)] int ranks) =>
        Compare(new ParityCase(RankCases.Stack, 7, FfnMode.Ffn, 42_000), ranks, "auto");

    [Test]
    public void Checkpoints_give_the_golden_answers([Values(2, 3, 4)] int ranks, [Values] FfnMode mode) =>
        RankCases.EachGolden(
            GoldenCases.All, mode, ranks, (found, input) => Run(found.Spec, found.Weights, mode, input, ranks, "auto"));

    [Test]
    public void Bits_repeat_from_run_to_run()
    {
        ParityCase layer = RankCases.ManyExperts();
        float[][] runs = [.. Enumerable.Range(0, 3).Select(_ => Run(layer.Spec, layer.Weights, FfnMode.Ffn, layer.Input(), 3, "expert=3"))];
        Assert.That(runs, Is.All.EqualTo(runs[0]));
    }

    [Test]
    public void A_token_that_cannot_be_routed_fails_on_its_own_rank_alone()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 8, 16).WithExperts(new MixtureSpec(4, 2));
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 7);
        float[] rows = RandomLayers.RowsFor(spec, weights, 3, 1);
        float[] expected = Run(spec, weights, FfnMode.Ffn, rows, 1, "auto");
        RankTeam.RunTogether(3, "expert=3", Options, spec, weights, layer =>
        {
            for (int run = 0; run < 2; run++)
            {
                float[] own = [.. rows];
                float[] output = new float[rows.Length];
                bool spoilt = layer.Engine.Rank == 1 && run == 0;
                own[9] = spoilt ? float.NaN : own[9];
                Assert.That(
                    () => layer.ForwardTogether(FfnMode.Ffn, own, output),
                    spoilt ? Throws.ArgumentException.With.Message.Contains("Token 1") : Throws.Nothing);
                Tolerances.AssertClose(
                    output, Estimate.Exact(spoilt ? new float[rows.Length] : expected), Tolerances.Golden, $"rank {layer.Engine.Rank}");
            }
        });
    }

    private FfnEngineOptions Options => new() { Backend = Backend, Threads = 1, Precision = FfnPrecision.Float32 };

    private void Compare(ParityCase layer, int ranks, string plan) => Tolerances.AssertClose(
        Run(layer.Spec, layer.Weights, layer.Mode, layer.Input(), ranks, plan), layer.ExpectedIn(FfnPrecision.Float32).Output,
        Tolerances.Of(layer.Spec, FfnPrecision.Float32), $"{layer} on {ranks} ranks, {plan}");

    // The first rank has the fewest tokens, often none, and the last one the most.
    private float[] Run(FfnSpec spec, IFfnWeightSource weights, FfnMode mode, float[] input, int ranks, string plan)
    {
        int tokens = input.Length / spec.InputWidth;
        float[] output = new float[tokens * spec.OutputWidth];
        int Border(int rank) => tokens * rank * rank / (ranks * ranks);
        RankTeam.RunTogether(ranks, plan, Options, spec, weights, layer =>
        {
            (int first, int end) = (Border(layer.Engine.Rank), Border(layer.Engine.Rank + 1));
            layer.ForwardTogether(
                mode, input.AsSpan((first * spec.InputWidth)..(end * spec.InputWidth)),
                output.AsSpan((first * spec.OutputWidth)..(end * spec.OutputWidth)));
        });
        return output;
    }
}
