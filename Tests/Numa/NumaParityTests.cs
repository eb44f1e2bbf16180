using System.Collections.Immutable;
using NativeFfn.Backends.Cpu.Numa;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Parity;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Numa;

/// <summary>Engines on two nodes give the bits of engines on one, for every kind of layer.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.CpuFixtures))]
public sealed class NumaParityTests(BackendKind backend) : CpuBackendTests(backend)
{
    private static readonly GoldenCase[] Golden = [.. GoldenCases.All, .. GoldenCases.Gguf];

    private static IEnumerable<ParityCase> Cases =>
    [
        .. ParityCases.OfKinds(), .. ParityCases.OfNorms(), .. ParityCases.OfEdges(), .. MixtureCases.All(),
    ];

    [Test]
    public void Dense_layers_and_mixtures([Values(2, 3)] int threads)
    {
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using FfnEngine one = Open(machine, threads, "off");
        using FfnEngine two = Open(machine, threads, "auto");
        foreach (ParityCase found in Cases)
        {
            AssertSame(one, two, found.Spec, found.Weights, found.Mode, found.Tokens, found.ToString());
        }
    }

    [Test]
    public void Stacks_and_hidden_rows_that_are_finished_whole([Values(2, 5)] int threads)
    {
        var rms = new NormSpec(NormKind.Rms, 1e-5f);
        FfnStage[] stages =
        [
            new(FfnKind.SwiGlu, 70, 150, HasBias: true), new(FfnKind.Linear, 150, 33, HasBias: false),
            new(FfnKind.Gelu, 33, 70, HasBias: true),
        ];
        FfnSpec[] specs =
        [
            FfnSpec.Stack(stages),
            FfnSpec.Create(FfnKind.SwiGlu, 33, 130).WithInnerNorm(rms).WithNorms(rms),
            FfnSpec.Create(FfnKind.Gelu with { Parameters = new() { SparsityMultiplier = 0.5f } }, 40, 97, bias: true),
        ];
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using FfnEngine one = Open(machine, threads, "off");
        using FfnEngine two = Open(machine, threads, "auto");
        foreach (FfnSpec spec in specs)
        {
            foreach (int tokens in new[] { 1, 2, 7, 64, 150 })
            {
                AssertSame(one, two, spec, RandomLayers.Gaussian(spec, 77), FfnMode.Ffn, tokens, $"{spec} x{tokens}");
            }
        }
    }

    [Test]
    public void Every_precision_and_count_of_tokens([CpuPrecisions] FfnPrecision precision)
    {
        FfnSpec dense = FfnSpec.Create(FfnKind.SwiGlu, 100, 333, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
        FfnSpec mixture = FfnSpec.Create(FfnKind.SwiGlu, 64, 90)
            .WithExperts(new MixtureSpec(6, 2) { SharedDFf = 70, HasSharedGate = true });
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using FfnEngine one = Open(machine, 2, "off", precision);
        using FfnEngine two = Open(machine, 2, "auto", precision);
        for (int tokens = 1; tokens <= 64; tokens += tokens < 14 ? 1 : 10)
        {
            AssertSame(one, two, dense, RandomLayers.Gaussian(dense, 5), FfnMode.Block, tokens, $"{precision} dense x{tokens}");
            AssertSame(one, two, mixture, RandomLayers.Gaussian(mixture, 6), FfnMode.Residual, tokens, $"{precision} mixture x{tokens}");
        }
    }

    [Test]
    public void Checkpoints_of_every_family([ValueSource(nameof(Golden))] object golden)
    {
        var found = (GoldenCase)golden;
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using FfnEngine one = Open(machine, 2, "off", FfnPrecision.Auto);
        using FfnEngine two = Open(machine, 2, "auto", FfnPrecision.Auto);
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(found.Model);
        FfnCheckpointLayer layer = checkpoint.GetLayer(found.Layer);
        foreach (FfnMode mode in layer.Spec.Modes)
        {
            AssertSame(one, two, layer.Spec, layer.Weights, mode, found.Tokens, $"{found} {mode}");
        }
    }

    [Test]
    public void Experts_that_come_and_go()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 64, 90).WithExperts(new MixtureSpec(8, 3));
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using FfnEngine one = Open(machine, 2, "off");
        using FfnEngine two = TestBackends.Open(Options(machine, 2, "auto") with { MaxResidentExperts = 2 });
        AssertSame(one, two, spec, RandomLayers.Gaussian(spec, 8), FfnMode.Ffn, 20, spec.ToString());
    }

    [Test]
    public void Callers_that_find_the_team_busy()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 96, 260);
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 9);
        float[][] rows = [.. Enumerable.Range(1, 6).Select(tokens => RandomLayers.Rows(tokens * 3, spec.InputWidth, tokens))];
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using FfnEngine one = Open(machine, 2, "off");
        using FfnEngine two = Open(machine, 2, "auto");
        using FfnLayer expected = one.CreateLayer(spec, weights);
        using FfnLayer layer = two.CreateLayer(spec, weights);
        float[][] answers = [.. rows.Select(input => Forward(expected, FfnMode.Ffn, input))];
        Assert.That(
            Callers.Run(rows.Length, caller =>
            {
                for (int run = 0; run < 100; run++)
                {
                    Assert.That(Forward(layer, FfnMode.Ffn, rows[caller]), Is.EqualTo(answers[caller]));
                }
            }),
            Is.Empty);
    }

    [Test]
    public void Weights_are_put_on_both_nodes_each_page_once()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 200, 600, bias: true);
        using FakeMachine machine = FakeMachine.OfTwoNodes();
        using FfnEngine engine = Open(machine, 2, "auto");
        Assert.That(engine.Backend.Numa!.Nodes.Select(static node => node.Threads), Is.EqualTo(new[] { 1, 1 }));
        Assert.That(engine.Selection.ToString(), Does.Contain("NUMA: node 0: processors "));
        using FfnLayer layer = engine.CreateLayer(spec, RandomLayers.Gaussian(spec, 3));
        (int first, int second) = FakeMachine.TwoProcessors();
        (NodeRange Range, ImmutableArray<int> On)[] touched = [.. machine.Touched.OrderBy(static touched => touched.Range.Start)];
        Assert.Multiple(() =>
        {
            // Two stages of panels; a library's rows of gate and up lie apart.
            Assert.That(
                touched.Select(static touched => touched.Range.Node),
                Is.EqualTo(Backend == BackendKind.Managed ? new[] { 0, 1, 0, 1 } : [0, 1, 0, 1, 0, 1]));
            Assert.That(
                touched.Select(static touched => touched.On.Single()),
                Is.EqualTo(touched.Select(touched => touched.Range.Node == 0 ? first : second)));
            Assert.That(touched.Select(static touched => touched.Range.Start % Environment.SystemPageSize), Is.All.Zero);
            for (int i = 1; i < touched.Length; i++)
            {
                Assert.That(touched[i].Range.Start, Is.EqualTo(touched[i - 1].Range.Start + touched[i - 1].Range.Bytes));
            }

            long bytes = touched.Sum(static touched => touched.Range.Bytes);
            Assert.That(bytes, Is.InRange(layer.WeightBytes - (2 * Environment.SystemPageSize), layer.WeightBytes));
            long half = touched.Where(static touched => touched.Range.Node == 0).Sum(static touched => touched.Range.Bytes);
            Assert.That(half, Is.EqualTo(bytes / 2).Within(4 * Environment.SystemPageSize));
            Assert.That(
                layer.Placement,
                Does.StartWith($"{half} bytes near processors {first}, {bytes - half} bytes near processors {second}"));
        });
    }

    [Test]
    public void An_engine_whose_threads_cannot_be_bound_runs_and_says_so()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 64, 90);
        using FakeMachine machine = FakeMachine.OfTwoNodes() with { BindError = 1 };
        using FfnEngine one = Open(machine, 2, "off");
        using FfnEngine two = Open(machine, 2, "auto");
        AssertSame(one, two, spec, RandomLayers.Gaussian(spec, 4), FfnMode.Ffn, 3, spec.ToString());
        Assert.That(
            two.Selection.ToString(),
            Does.Contain("NUMA: threads are not bound to nodes: sched_setaffinity: Operation not permitted"));
        Assert.That(one.Selection.ToString(), Does.Not.Contain("NUMA"));
        using FfnLayer layer = two.CreateLayer(spec, RandomLayers.Gaussian(spec, 4));
        Assert.That((layer.Placement, machine.Touched.Count), Is.EqualTo((string.Empty, 0)));
    }

    private FfnEngine Open(FakeMachine machine, int threads, string numa, FfnPrecision precision = FfnPrecision.Float32) =>
        TestBackends.Open(Options(machine, threads, numa) with { Precision = precision });

    private FfnEngineOptions Options(FakeMachine machine, int threads, string numa) =>
        TestBackends.OptionsOf(Backend, threads) with { Numa = numa, NumaSystem = machine };

    private static void AssertSame(
        FfnEngine one, FfnEngine two, FfnSpec spec, IFfnWeightSource weights, FfnMode mode, int tokens, string what)
    {
        if (!spec.Modes.Contains(mode))
        {
            return;
        }

        Assert.That((one.Backend.Numa!.Nodes.Length, two.Backend.Numa!.Nodes.Length), Is.EqualTo((0, 2)).Or.EqualTo((0, 0)));
        float[] input = RandomLayers.Rows(tokens, spec.InputWidth, 12);
        float[] residual = RandomLayers.Rows(tokens, spec.OutputWidth, 13);
        using FfnLayer expected = one.CreateLayer(spec, weights);
        using FfnLayer layer = two.CreateLayer(spec, weights);
        float[] answer = new float[tokens * spec.OutputWidth];
        float[] output = new float[tokens * spec.OutputWidth];
        Forward(expected, mode, input, residual, answer);
        Forward(layer, mode, input, residual, output);
        Assert.That(output, Is.EqualTo(answer), what);
    }
}
