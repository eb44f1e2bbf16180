using NativeFfn.Tests.Numa;
using NativeFfn.Tests.Ranks;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>A steady forward allocates nothing, on no thread.</summary>
[NonParallelizable]
public class AllocationTests : FastBackendTests
{
    private const int Forwards = 200;

    // The software device takes its time.
    private const int DeviceForwards = 10;

    // A second one, for what is compiled anew once it has run often.
    private const int WarmupRuns = 2;

    // The test runner's own threads allocate now and then; what a forward allocates is there in every attempt.
    private const int Attempts = 20;

    private static readonly NormSpec Rms = new(NormKind.Rms, 1e-5f);

    private static readonly BlockForm Form = new() { BranchFactor = 0.5f, ResidualFactor = 2, ResidualIsNormed = true, HasBranchScale = true };

    public AllocationTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public void Nothing_is_allocated([Values] FfnMode mode, [Values(1, 2)] int threads, [Values(1, 9, 40)] int tokens, [Values] bool gated)
    {
        FfnSpec spec = FfnSpec.Create(gated ? FfnKind.SwiGlu : FfnKind.Gelu, 48, 130, bias: !gated).WithNorms(Rms, gated ? Rms : null, gated ? null : Rms);
        using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, 500));
        AssertNothingAllocated(layer, mode, tokens);
    }

    [Test]
    public void Nothing_is_allocated_in_a_mixture([Values] FfnMode mode, [Values(1, 2)] int threads, [Values(1, 40)] int tokens)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 48, 30).WithNorms(Rms).WithExperts(new MixtureSpec(16, 3)
        {
            Scoring = RouterScoring.Sigmoid, HasSelectionBias = true, Groups = 4, TopGroups = 2, SharedDFf = 20, HasSharedGate = true,
        });
        using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, 503));
        AssertNothingAllocated(layer, mode, tokens);
    }

    [Test]
    public void Nothing_is_allocated_by_the_rarer_parts_of_a_formula([Values] bool gated, [Values(1, 2)] int threads, [Values(1, 40)] int tokens)
    {
        RequireProcessor();
        FfnKind kind = (gated ? FfnKind.SwiGlu : FfnKind.Gelu) with { Parameters = new() { SparsityMultiplier = 0.5f, InputFactor = 2 } };
        FfnSpec dense = FfnSpec.Create(kind, 48, 130, bias: true).WithInnerNorm(Rms).WithNorms(Rms, Rms).WithOutputFactor(0.5f).WithBlockForm(Form);
        FfnSpec mixture = FfnSpec.Create(FfnKind.SwiGlu, 48, 30).WithNorms(Rms, Rms, Rms).WithBlockForm(Form).WithExperts(new MixtureSpec(16, 3)
        {
            Scoring = RouterScoring.SparseMixer, HasRouterBias = true, HasOutputBias = true, WeighsInput = true, SharedDFf = 20, SharedFactor = 0.5f,
        });
        foreach (FfnSpec spec in new[] { dense, mixture })
        {
            using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, 504));
            AssertNothingAllocated(layer, FfnMode.Block, tokens);
        }
    }

    [Test]
    public void Nothing_is_allocated_in_any_precision(
        [Values] FfnPrecision precision, [Values(1, 40)] int tokens)
    {
        if (!TestBackends.PrecisionsOf(Backend).Contains(precision))
        {
            Assert.Pass($"{Backend} has no {precision}.");
        }

        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 48, 130, bias: true).WithNorms(Rms, Rms);
        using FfnEngine engine = OpenEngine(2, precision);
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 502));
        AssertNothingAllocated(layer, FfnMode.Block, tokens);
    }

    [Test]
    public void Nothing_is_allocated_on_several_nodes([Values(1, 40)] int tokens)
    {
        RequireProcessor();
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 48, 130).WithNorms(Rms).WithExperts(new MixtureSpec(16, 3));
        using FfnEngine engine = TestBackends.Open(TestBackends.OptionsOf(Backend, 2) with { NumaSystem = machine });
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 505));
        AssertNothingAllocated(layer, FfnMode.Block, tokens);
    }

    [Test]
    public void Nothing_is_allocated_over_ranks([Values(0, 1, 4)] int chunks, [Values(1, 40)] int tokens)
    {
        RequireProcessor();
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 48, 130).WithNorms(Rms);
        RankTeam.RunEngines(
            2, "auto", TestBackends.OptionsOf(Backend, 1) with { ParallelChunks = chunks }, spec, RandomLayers.Gaussian(spec, 506),
            layer => AssertNothingAllocated(layer, FfnMode.Block, tokens));
    }

    private void RequireProcessor()
    {
        if (Backend == BackendKind.CuBlas)
        {
            Assert.Pass("A GPU refuses them.");
        }
    }

    private static void AssertNothingAllocated(FfnLayer layer, FfnMode mode, int tokens)
    {
        float[] input = RandomLayers.Rows(tokens, layer.Spec.DModel, 501);
        float[] output = new float[input.Length];
        for (int i = 0; i < WarmupRuns; i++)
        {
            Run(layer, mode, input, output);
        }

        (long own, long all) least = (long.MaxValue, long.MaxValue);
        for (int attempt = 0; attempt < Attempts && least != (0, 0); attempt++)
        {
            long deviceBefore = DeviceBytes;
            long allBefore = GC.GetTotalAllocatedBytes(precise: true);
            long ownBefore = GC.GetAllocatedBytesForCurrentThread();
            Run(layer, mode, input, output);
            long own = GC.GetAllocatedBytesForCurrentThread() - ownBefore;
            long all = GC.GetTotalAllocatedBytes(precise: true) - allBefore;

            // What the software device allocates is no forward's doing; it knows it of the calling thread alone, and there is no other.
            long device = DeviceBytes - deviceBefore;
            least = (Math.Min(least.own, own - device), SoftwareDevice.Current is null ? Math.Min(least.all, all) : 0);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(least.own, Is.Zero, $"bytes allocated by the calling thread in {Forwards} forwards");
            Assert.That(least.all, Is.Zero, $"bytes allocated by all threads in {Forwards} forwards");
        }
    }

    private static long DeviceBytes => SoftwareDevice.Current?.OwnAllocatedBytes ?? 0;

    private static void Run(FfnLayer layer, FfnMode mode, float[] input, float[] output)
    {
        for (int i = 0; i < (SoftwareDevice.Current is null ? Forwards : DeviceForwards); i++)
        {
            Forward(layer, mode, input, input, output);
        }
    }
}
