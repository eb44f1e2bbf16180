using NativeFfn.Backends.Parallel;
using NativeFfn.Tests.Parity;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>Forwards over ranks in chunks of tokens, of which one is computed while rows and sums of others are under way.</summary>
[TestFixtureSource(typeof(TestBackends), nameof(TestBackends.CpuFixtures))]
public sealed class ChunkTests(BackendKind backend) : CpuBackendTests(backend)
{
    private static readonly ParityCase Layer =
        new(FfnSpec.Create(FfnKind.SwiGlu, 21, 33, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f)), 7, FfnMode.Block, 51_000);

    private static readonly string[] ThreeChunks =
    [
        "copy 0", "copy 1", "copy 2",
        "end of copy 0", "sum 0", "end of copy 1", "sum 1", "end of copy 2", "sum 2",
        "end of sum 0", "end of sum 1", "end of sum 2",
    ];

    [Test]
    public void Dense_layers_give_what_one_rank_gives([Range(2, 4)] int ranks, [Values(2, 3, 16)] int chunks, [Values] bool isEarly)
    {
        foreach (ParityCase layer in RankCases.Dense(ranks).Where((_, index) => index % 3 == chunks % 3))
        {
            Compare(layer, ranks, chunks, isEarly);
        }
    }

    [Test]
    public void Stacks_have_sums_of_one_pair_under_way_while_the_next_is_computed(
        [Values(2, 3)] int ranks, [Values(2, 5)] int chunks, [Values] bool isEarly) =>
        Compare(new ParityCase(RankCases.Stack, 6, FfnMode.Ffn, 52_000), ranks, chunks, isEarly);

    [Test]
    public void A_chunk_is_computed_while_the_sum_of_the_one_before_and_rows_of_the_next_are_under_way([Values(2, 3)] int ranks)
    {
        var logs = new List<string>[ranks];
        Run(Layer, ranks, 3, rank => Hold(rank, logs));
        Assert.That(logs, Is.All.EqualTo(ThreeChunks));
    }

    [Test]
    public void Rows_that_are_independent_have_the_bits_of_whole_forwards([Range(2, 4)] int ranks)
    {
        if (Backend != BackendKind.Managed)
        {
            Assert.Pass("Bits of a row depend on how many there are.");
        }

        float[] whole = Run(Layer, ranks, 1, static rank => rank);
        for (int chunks = 2; chunks <= Layer.Tokens + 1; chunks++)
        {
            Assert.That(Run(Layer, ranks, chunks, static rank => new HeldCollective(rank)), Is.EqualTo(whole), $"{chunks} chunks");
        }
    }

    [Test]
    public void Mixtures_and_single_tokens_go_whole()
    {
        ParityCase[] layers = [RankCases.ManyExperts(), new ParityCase(Layer.Spec, 1, FfnMode.Block, 53_000)];
        foreach (ParityCase layer in layers)
        {
            var logs = new List<string>[2];
            Run(layer, 2, 4, rank => Hold(rank, logs));
            Assert.That(logs, Is.All.Empty, $"{layer}");
        }
    }

    [Test]
    public void A_rank_that_fails_with_operations_under_way_leaves_no_half_of_an_answer(
        [Values("copy 1", "end of copy 1", "sum 1", "end of sum 0", "end of sum 2")] string at, [Values(0, 1)] int broken)
    {
        float[] untouched = [.. Enumerable.Repeat(7f, Layer.Tokens * Layer.Spec.OutputWidth)];
        float[] output = [.. untouched];
        Exception?[] problems = RankTeam.Try(2, rank => RankTeam.RunEngine(
            OptionsOf(new HeldCollective(rank) { Before = entry => Break(rank.Rank == broken && entry == at) }, 3),
            [(Layer.Spec, Layer.Weights)],
            layers =>
            {
                Assert.That(() => layers[0].ForwardBlock(Layer.Input(), output),
                    broken == 0
                        ? Throws.TypeOf<IOException>()
                        : Throws.TypeOf<CollectiveFailedException>().With.Message.Contains("broken"));

                // At once, as the memory may still be written to.
                Assert.That(() => layers[0].ForwardBlock(Layer.Input(), output), Throws.TypeOf<CollectiveFailedException>());
            }));
        Assert.That(output, Is.EqualTo(untouched));
        Assert.That(problems[0], Is.Null);
        Assert.That(problems[1], broken == 1 ? Is.TypeOf<IOException>() : Is.TypeOf<CollectiveFailedException>());
    }

    [Test]
    public void A_rank_that_does_not_come_to_an_operation_under_way_is_waited_for_as_long_as_the_limit()
    {
        using var isOver = new ManualResetEventSlim();
        Exception?[] problems = RankTeam.Try(
            2,
            rank => RankTeam.RunEngine(
                OptionsOf(new HeldCollective(rank) { Before = entry => Wait(rank.Rank == 1 && entry == "end of sum 1") }, 3),
                [(Layer.Spec, Layer.Weights)],
                layers =>
                {
                    Assert.That(() => layers[0].ForwardBlock(Layer.Input(), new float[Layer.Tokens * Layer.Spec.OutputWidth]),
                        Throws.TypeOf<CollectiveFailedException>().With.Message.Contains("did not come within 2 s"));
                    isOver.Set();
                }),
            TimeSpan.FromSeconds(2));
        Assert.That(problems, Is.EqualTo(new[] { null, problems[1] }));
        Assert.That(problems[1], Is.TypeOf<CollectiveFailedException>());

        void Wait(bool isStuck)
        {
            if (isStuck)
            {
                isOver.Wait(RankTeam.Limit);
            }
        }
    }

    [Test]
    public void Operations_and_bytes_are_counted_when_they_start([Values(1, 3)] int chunks)
    {
        int bytes = Layer.Tokens * (Layer.Spec.InputWidth + Layer.Spec.OutputWidth) * sizeof(float);
        RankTeam.Run(2, rank =>
        {
            using FfnEngine engine = FfnEngine.Create(OptionsOf(rank, chunks));
            using FfnLayer layer = engine.CreateLayer(Layer.Spec, Layer.Weights);
            if (rank.Rank > 0)
            {
                engine.Follow();
                return;
            }

            FfnCollectiveTotals before = engine.Collectives;
            layer.ForwardBlock(Layer.Input(), new float[Layer.Tokens * Layer.Spec.OutputWidth]);
            FfnCollectiveTotals after = engine.Collectives;
            Assert.That(after.Operations - before.Operations, Is.EqualTo(1 + (2 * chunks)));

            // What to do is told by a few numbers.
            Assert.That(after.Bytes - before.Bytes, Is.InRange(bytes + 1, bytes + 64));
        });
    }

    private static HeldCollective Hold(ICollective rank, List<string>[] logs)
    {
        var held = new HeldCollective(rank);
        logs[rank.Rank] = held.Log;
        return held;
    }

    // Of a kind that nothing else throws.
    private static void Break(bool isDue)
    {
        if (isDue)
        {
            throw new IOException("broken");
        }
    }

    private void Compare(ParityCase layer, int ranks, int chunks, bool isEarly) => Tolerances.AssertClose(
        Run(layer, ranks, chunks, rank => new HeldCollective(rank, isEarly)), layer.Expected.Output,
        Tolerances.Of(layer.Spec, FfnPrecision.Float32), $"{layer} on {ranks} ranks in {chunks} chunks");

    private float[] Run(ParityCase layer, int ranks, int chunks, Func<ICollective, ICollective> wrap)
    {
        float[] output = [];
        RankTeam.Run(ranks, rank => RankTeam.RunEngine(
            OptionsOf(wrap(rank), chunks), [(layer.Spec, layer.Weights)],
            layers => output = Forward(layers[0], layer.Mode, layer.Input(), layer.Residual())));
        return output;
    }

    private FfnEngineOptions OptionsOf(ICollective rank, int chunks) =>
        new() { Backend = Backend, Threads = 1, Parallel = "auto", ParallelChunks = chunks, Ranks = new GivenCollective(rank) };
}
