using NativeFfn.Backends.CuBlas;
using NativeFfn.Backends.Parallel;
using NativeFfn.Checkpoints;
using NativeFfn.Tests.Parity;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Ranks;

/// <summary>Layers that are cut over GPUs, whose rows NCCL's stand-in adds up, held against the oracle as layers of one GPU are.</summary>
public sealed class NcclParityTests : NcclTeam
{
    private static readonly FfnSpec Gated = FfnSpec.Create(FfnKind.SwiGlu, 24, 40, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));

    [Test]
    public void Dense_layers_give_what_one_GPU_gives([Range(2, 4)] int ranks) => Compare(
        ranks,
        FfnPrecision.Float32,
        [.. RankCases.Dense(ranks).Where(static layer => DeviceFormula.WhyNot(layer.Spec) is null)]);

    [Test]
    public void Stacks_are_cut_by_pairs_and_stay_on_the_GPU_between_them([Range(2, 4)] int ranks)
    {
        Compare(
            ranks, FfnPrecision.Float32,
            [new ParityCase(RankCases.Pairs, 6, FfnMode.Ffn, 52_000), new ParityCase(RankCases.Pairs, 3, FfnMode.Residual, 52_100)]);

        // For each forward: rows in and out on the leading rank, a broadcast, and a sum for each of the two pairs.
        Launch[] launches = Device.Executed;
        Assert.That(launches.Count(static launch => launch.Kind == LaunchKind.CopyToHost), Is.EqualTo(2));
        Assert.That(launches.Count(static launch => launch.Name == "ncclBroadcast"), Is.EqualTo(2 * ranks));
        Assert.That(launches.Count(static launch => launch.Name == "ncclAllReduce"), Is.EqualTo(4 * ranks));
    }

    [TestCase(2, FfnPrecision.BFloat16)]
    [TestCase(3, FfnPrecision.Float8)]
    public void Precisions_are_cut_alike(int ranks, FfnPrecision precision) => Compare(
        ranks, precision,
        [.. Enum.GetValues<FfnMode>().SelectMany(static mode => new[]
        {
            new ParityCase(
                FfnSpec.Create(FfnKind.SwiGlu, 40, 150, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f)), 5, mode, 53_000),
            new ParityCase(FfnSpec.Create(FfnKind.Gelu, 33, 70), 2, mode, 53_100),
        })]);

    [Test]
    public void Checkpoints_are_cut_as_they_are_stored([Values(2, 3)] int ranks)
    {
        StartGpus(ranks);
        foreach (GoldenCase golden in GoldenCases.All)
        {
            using FfnCheckpoint checkpoint = FfnCheckpoint.Open(golden.Model);
            FfnCheckpointLayer found = checkpoint.GetLayer(golden.Layer);
            if (found.Spec.Mixture is not null || (LayerCut.WhyNot(found.Spec) ?? DeviceFormula.WhyNot(found.Spec)) is not null)
            {
                continue;
            }

            RunEngines(ranks, [(found.Spec, found.Weights)], layers =>
            {
                foreach (FfnMode mode in Enum.GetValues<FfnMode>().Where(mode => golden.ReadExpected(mode) is not null))
                {
                    Tolerances.AssertClose(
                        EngineForward(layers[0], mode, golden.ReadInput()), Estimate.Exact(golden.ReadExpected(mode)!), Tolerances.Golden,
                        $"{golden.Name} {mode} on {ranks} ranks");
                }
            });
        }
    }

    [Test]
    public void Many_tokens_go_in_pieces()
    {
        const int tokens = 300_000;
        const int width = 64;
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, width, 2);
        StartGpus(2);
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 54_000);
        float[] some = RandomLayers.Rows(100, width, 54_001);
        float[] input = new float[tokens * width];
        for (int i = 0; i < input.Length; i++)
        {
            input[i] = some[i % some.Length];
        }

        RunEngines(2, [(spec, weights)], layers =>
        {
            float[] output = EngineForward(layers[0], FfnMode.Residual, input);
            Estimate expected = Oracle.Run(spec, weights, FfnMode.Residual, some, some).Output;

            // A piece has 262144 of them.
            foreach (int first in (int[])[0, 100_000, 262_100, 299_900])
            {
                Tolerances.AssertClose(output.AsSpan(first * width, some.Length), expected, Tolerances.Of(spec), $"tokens from {first}");
            }
        });
        Assert.That(Device.Executed.Count(static launch => launch.Name == "ncclBroadcast"), Is.EqualTo(2 * 2));
    }

    [Test]
    public void Bits_repeat_and_operations_are_counted()
    {
        StartGpus(3);
        float[] input = RandomLayers.Rows(5, 24, 55_001);
        RankTeam.Run(3, rank =>
        {
            using FfnEngine engine = FfnEngine.Create(OptionsOf(rank));
            using FfnLayer layer = engine.CreateLayer(Gated, RandomLayers.Gaussian(Gated, 55_000));
            FfnCollectiveTotals before = engine.Collectives;
            if (rank.Rank > 0)
            {
                engine.Follow();
                return;
            }

            float[] first = EngineForward(layer, FfnMode.Block, input);
            FfnCollectiveTotals after = engine.Collectives;
            Assert.That(EngineForward(layer, FfnMode.Block, input), Is.EqualTo(first));
            Assert.That(engine.Backend.Version, Does.EndWith(
                "rank 0 of 3 by NCCL 2.22.3 (software libnccl) between GPUs, threads of this process for the rest"));

            // The message, the broadcast and the sum.
            Assert.That(after.Operations - before.Operations, Is.EqualTo(3));
            Assert.That(after.Bytes - before.Bytes, Is.EqualTo((2 * 5 * 24 * sizeof(float)) + (4 * sizeof(int))));
            Assert.That(after.Time, Is.GreaterThan(before.Time));
        });
    }

    [Test]
    public void A_layer_that_was_used_is_freed_when_it_is_disposed()
    {
        StartGpus(2);
        RankTeam.Run(2, rank =>
        {
            using FfnEngine engine = FfnEngine.Create(OptionsOf(rank));
            FfnLayer layer = engine.CreateLayer(Gated, RandomLayers.Gaussian(Gated, 56_000));
            if (rank.Rank > 0)
            {
                engine.Follow();
                layer.Dispose();
                return;
            }

            EngineForward(layer, FfnMode.Ffn, new float[24]);
            long held = Device.DeviceBytes;
            long weights = layer.WeightBytes;
            layer.Dispose();
            Assert.That(Device.DeviceBytes, Is.EqualTo(held - weights));
        });
    }

    [Test]
    public void Rows_that_are_on_a_GPU_already_are_refused()
    {
        StartGpus(2);
        RankTeam.Run(2, rank =>
        {
            using FfnEngine engine = FfnEngine.Create(OptionsOf(rank));
            Assert.That(engine.CreateDeviceStream, Throws.TypeOf<NotSupportedException>().With.Message.Contains("from the host's memory"));
        });
    }

    [Test]
    public void Every_rank_may_have_tokens_of_its_own()
    {
        StartGpus(2);
        FfnMemoryWeights weights = RandomLayers.Gaussian(Gated, 57_000);
        RankTeam.Run(2, rank =>
        {
            float[] input = RandomLayers.Rows(3, 24, 57_001 + rank.Rank);
            float[] output = new float[input.Length];
            using FfnEngine engine = FfnEngine.Create(OptionsOf(rank));
            using FfnLayer layer = engine.CreateLayer(Gated, weights);
            layer.ForwardTogether(FfnMode.Block, input, output);
            Tolerances.AssertClose(
                output, Oracle.Run(Gated, weights, FfnMode.Block, input, input).Output, Tolerances.Of(Gated), $"rank {rank.Rank}");
        });
    }

    private static float[] EngineForward(FfnLayer layer, FfnMode mode, float[] input, float[]? residual = null) =>
        EngineTests.Forward(layer, mode, input, residual);

    private void Compare(int ranks, FfnPrecision precision, ParityCase[] cases)
    {
        StartGpus(ranks);
        (FfnSpec, IFfnWeightSource)[] given = [.. cases.Select(static layer => (layer.Spec, (IFfnWeightSource)layer.Weights))];
        RunEngines(
            ranks, given,
            layers =>
            {
                foreach ((FfnLayer layer, ParityCase asked) in layers.Zip(cases))
                {
                    Tolerances.AssertClose(
                        EngineForward(layer, asked.Mode, asked.Input(), asked.Residual()), asked.ExpectedIn(precision).Output,
                        Tolerances.OnDevice(precision, asked.Spec), $"{asked} in {precision} on {ranks} ranks");
                }
            },
            precision);
        Counted.Add(cases.Length, "layers cut over GPUs of the software device");
    }
}
