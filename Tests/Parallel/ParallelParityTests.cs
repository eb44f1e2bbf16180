using NativeFfn.Backends.Parallel;
using NativeFfn.Tests.Parity;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>Layers that are cut over ranks of this process, held against the oracle as layers of one rank are.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.CpuFixtures))]
public sealed class ParallelParityTests(BackendKind backend) : CpuBackendTests(backend)
{
    [Test]
    public void Dense_layers_give_what_one_rank_gives([Range(2, 4)] int ranks)
    {
        foreach (ParityCase layer in RankCases.Dense(ranks))
        {
            Compare(layer, ranks, "auto", FfnPrecision.Float32);
        }
    }

    [TestCase(2, "auto")]
    [TestCase(2, "expert=2")]
    [TestCase(3, "tensor=3")]
    [TestCase(3, "expert=3")]
    [TestCase(4, "tensor=2,expert=2")]
    public void Mixtures_give_what_one_rank_gives(int ranks, string plan)
    {
        foreach (ParityCase layer in RankCases.Mixtures(ranks, plan))
        {
            Compare(layer, ranks, plan, FfnPrecision.Float32);
        }
    }

    [TestCase(2, FfnPrecision.Int8)]
    [TestCase(3, FfnPrecision.Int8)]
    [TestCase(3, FfnPrecision.BFloat16)]
    [TestCase(2, FfnPrecision.Int4)]
    public void Precisions_are_cut_at_their_groups(int ranks, FfnPrecision precision)
    {
        FfnSpec dense = FfnSpec.Create(FfnKind.SwiGlu, 40, 150, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
        FfnSpec mixture = FfnSpec.Create(FfnKind.SwiGlu, 40, 130)
            .WithExperts(new MixtureSpec(5, 2) { SharedDFf = 70, HasSharedGate = true });
        foreach (FfnMode mode in Enum.GetValues<FfnMode>())
        {
            Compare(new ParityCase(dense, 5, mode, 31_000), ranks, "auto", precision);
            Compare(new ParityCase(mixture, 9, mode, 31_100), ranks, $"expert={ranks}", precision);
            Compare(new ParityCase(mixture, 9, mode, 31_200), ranks, $"tensor={ranks}", precision);
        }
    }

    [Test]
    public void Stacks_are_cut_by_pairs([Values(2, 3)] int ranks)
    {
        foreach (FfnMode mode in new[] { FfnMode.Ffn, FfnMode.Residual })
        {
            Compare(new ParityCase(RankCases.Stack, 6, mode, 32_000), ranks, "auto", FfnPrecision.Float32);
        }
    }

    [Test]
    public void Blocks_of_every_form_are_finished_once([Values(2, 3)] int ranks)
    {
        var norm = new NormSpec(NormKind.Layer, 1e-5f);
        BlockForm[] forms =
        [
            new() { BranchFactor = 0.5f, ResidualFactor = 2 },
            new() { ResidualIsNormed = true },
            new() { HasBranchScale = true, BranchFactor = -1.5f, ResidualIsNormed = true },
        ];
        foreach (BlockForm form in forms)
        {
            FfnSpec spec = FfnSpec.Create(FfnKind.GeluTanh, 21, 33, bias: true)
                .WithNorms(norm, norm, norm).WithBlockForm(form).WithOutputFactor(3);
            Compare(new ParityCase(spec, 4, FfnMode.Block, 33_000), ranks, "auto", FfnPrecision.Float32);
            FfnSpec mixture = spec.WithExperts(new MixtureSpec(4, 2) { HasOutputBias = true, WeighsInput = true });
            Compare(new ParityCase(mixture, 7, FfnMode.Block, 33_100), ranks, $"expert={ranks}", FfnPrecision.Float32);
        }
    }

    [Test]
    public void Bits_repeat_from_run_to_run()
    {
        ParityCase layer = RankCases.ManyExperts();
        float[][] runs = [.. Enumerable.Range(0, 3).Select(_ => Run(layer, 3, "expert=3", FfnPrecision.Float32))];
        Assert.That(runs, Is.All.EqualTo(runs[0]));
    }

    [Test]
    public void Checkpoints_are_cut_as_they_are_stored([Values(2, 3)] int ranks, [Values] FfnMode mode)
    {
        // Files of ggml have blocks of up to 256 columns, of which there are two.
        FfnEngineOptions options = new() { Backend = Backend, Threads = 1, Precision = FfnPrecision.Float32 };
        RankCases.EachGolden(ranks == 2 ? GoldenCases.All.Concat(GoldenCases.Gguf) : GoldenCases.All, mode, ranks, (found, input) =>
        {
            float[] output = [];
            RankTeam.RunEngines(ranks, "auto", options, found.Spec, found.Weights, layer => output = Forward(layer, mode, input));
            return output;
        });
    }

    [Test]
    public void A_layer_that_cannot_be_cut_is_refused_on_every_rank()
    {
        FfnSpec narrow = FfnSpec.Create(FfnKind.Relu, 8, 2);
        FfnSpec inner = FfnSpec.Create(FfnKind.Relu, 8, 16).WithInnerNorm(new NormSpec(NormKind.Rms, 1e-5f));
        RankTeam.Run(3, rank =>
        {
            using FfnEngine engine = FfnEngine.Create(
                new FfnEngineOptions { Backend = Backend, Threads = 1, Parallel = "auto", Ranks = new GivenCollective(rank) });
            Assert.That(() => engine.CreateLayer(narrow, new XavierWeights(narrow, 1)),
                Throws.TypeOf<NotSupportedException>().With.Message.Contains("2 ranks at most, and there are 3"));
            Assert.That(() => engine.CreateLayer(inner, new XavierWeights(inner, 1)),
                Throws.TypeOf<NotSupportedException>().With.Message.Contains("Run it on one rank"));
        });
    }

    [Test]
    public void A_token_that_cannot_be_routed_leaves_the_group_at_work()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 8, 16).WithExperts(new MixtureSpec(4, 2));
        float[] rows = RandomLayers.Rows(3, 8, 1);
        float[] spoilt = [.. rows];
        spoilt[9] = float.NaN;
        FfnEngineOptions options = new() { Backend = Backend, Threads = 1 };
        RankTeam.RunEngines(2, "expert=2", options, spec, RandomLayers.Gaussian(spec, 7), layer =>
        {
            float[] output = new float[rows.Length];
            Assert.That(() => layer.Forward(spoilt, output), Throws.ArgumentException.With.Message.Contains("Token 1"));
            Assert.That(() => layer.Forward(rows, output), Throws.Nothing);
        });
    }

    [Test]
    public void Ranks_that_differ_are_told()
    {
        Exception?[] problems = RankTeam.Try(2, rank =>
        {
            using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions
            {
                Backend = Backend, Threads = 1, Parallel = "auto", Ranks = new GivenCollective(rank),
                Precision = rank.Rank == 0 ? FfnPrecision.Float32 : FfnPrecision.BFloat16,
            });
        });
        Assert.That(problems, Is.All.TypeOf<CollectiveFailedException>().And.Some.Message.Contains("Start all ranks alike"));
    }

    private void Compare(ParityCase layer, int ranks, string plan, FfnPrecision precision) => Tolerances.AssertClose(
        Run(layer, ranks, plan, precision), layer.ExpectedIn(precision).Output, Tolerances.Of(layer.Spec, precision),
        $"{layer} in {precision} on {ranks} ranks, {plan}");

    private float[] Run(ParityCase layer, int ranks, string plan, FfnPrecision precision)
    {
        float[] output = [];
        RankTeam.RunEngines(
            ranks, plan, new FfnEngineOptions { Backend = Backend, Threads = 1, Precision = precision }, layer.Spec, layer.Weights,
            made => output = Forward(made, layer.Mode, layer.Input(), layer.Residual()));
        return output;
    }
}
