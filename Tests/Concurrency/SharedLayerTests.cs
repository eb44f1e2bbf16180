using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Concurrency;

/// <summary>Threads that share a layer, and engines that share a process, compute what each would alone.</summary>
public class SharedLayerTests : BackendTests
{
    private const int CallerCount = 8;
    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 64, 176, bias: true)
        .WithNorms(new NormSpec(NormKind.Rms, 1e-5f), new NormSpec(NormKind.Layer, 1e-5f));

    // Below, at and above the sizes where a backend is likely to change its way of multiplying.
    private static readonly int[] TokenCounts = [1, 2, 3, 5, 8, 17, 33, 64];

    public SharedLayerTests(BackendKind backend)
        : base(backend)
    {
    }

    // The reference is slow, and has nothing that grows with time.
    private int Iterations => Backend == BackendKind.Reference ? 10 : 100;

    [Test]
    public void Eight_callers_get_the_numbers_of_one([Values] FfnMode mode, [Values(1, 2, 3)] int threads)
    {
        using FfnLayer layer = Engine(threads).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 600));
        Work[] work = WorkOf(layer, mode);
        AssertNothingWrong(CallerCount, caller =>
        {
            for (int i = 0; i < Iterations; i++)
            {
                work[(caller + i) % work.Length].Check(layer, mode);
            }
        });
    }

    [Test]
    public void Engines_of_different_backends_share_a_process()
    {
        using FfnEngine managed = TestBackends.Open(BackendKind.Managed, 1);
        using FfnLayer here = Engine(2).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 601));
        using FfnLayer there = managed.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 602));
        Work[] workHere = WorkOf(here, FfnMode.Block);
        Work[] workThere = WorkOf(there, FfnMode.Block);
        AssertNothingWrong(4, caller =>
        {
            for (int i = 0; i < Iterations; i++)
            {
                int index = (caller + i) % TokenCounts.Length;
                if (caller % 2 == 0)
                {
                    workHere[index].Check(here, FfnMode.Block);
                }
                else
                {
                    workThere[index].Check(there, FfnMode.Block);
                }
            }
        });
    }

    [Test]
    public void Engines_of_all_precisions_share_a_process()
    {
        if (Backend == BackendKind.Reference)
        {
            Assert.Pass("It has one precision.");
        }

        List<FfnEngine> engines = [];
        List<FfnLayer> layers = [];
        try
        {
            foreach (FfnPrecision precision in TestBackends.PrecisionsOf(Backend))
            {
                engines.Add(OpenEngine(2, precision));
                layers.Add(engines[^1].CreateLayer(Spec, RandomLayers.Gaussian(Spec, 607 + layers.Count)));
            }

            Assert.That(layers, Has.Count.GreaterThan(2), "f32, bf16 and f16 at least");
            Work[][] work = [.. layers.Select(static layer => WorkOf(layer, FfnMode.Block))];
            AssertNothingWrong(CallerCount, caller =>
            {
                for (int i = 0; i < Iterations; i++)
                {
                    int layer = (caller + (i / 3)) % layers.Count;
                    work[layer][(caller + i) % TokenCounts.Length].Check(layers[layer], FfnMode.Block);
                }
            });
        }
        finally
        {
            layers.ForEach(static layer => layer.Dispose());
            engines.ForEach(static engine => engine.Dispose());
        }
    }

    [Test]
    public void Layers_of_one_engine_do_not_disturb_each_other()
    {
        FfnSpec wide = FfnSpec.Create(FfnKind.Gelu, 65, 300, bias: true);
        using FfnLayer first = Engine(2).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 603));
        using FfnLayer second = Engine(2).CreateLayer(wide, RandomLayers.Gaussian(wide, 604));
        Work[] workFirst = WorkOf(first, FfnMode.Ffn);
        Work[] workSecond = WorkOf(second, FfnMode.Ffn);
        AssertNothingWrong(4, caller =>
        {
            for (int i = 0; i < Iterations; i++)
            {
                int index = (caller + i) % TokenCounts.Length;
                workFirst[index].Check(first, FfnMode.Ffn);
                workSecond[^(index + 1)].Check(second, FfnMode.Ffn);
            }
        });
    }

    [Test]
    public void Profiles_may_be_shared_by_callers()
    {
        using FfnLayer layer = Engine(2).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 605));
        float[] input = RandomLayers.Rows(5, Spec.DModel, 606);
        var profile = new FfnProfile();
        AssertNothingWrong(4, _ =>
        {
            float[] output = new float[input.Length];
            for (int i = 0; i < Iterations; i++)
            {
                layer.Inspect(FfnMode.Block, input, output, profile: profile);
            }
        });
        Assert.That(Enum.GetValues<FfnStep>().Sum(profile.ShareOf), Is.GreaterThan(0).And.LessThanOrEqualTo(1.000001));
    }

    private static Work[] WorkOf(FfnLayer layer, FfnMode mode) => Array.ConvertAll(TokenCounts, tokens =>
    {
        float[] input = RandomLayers.Rows(tokens, layer.Spec.InputWidth, 700 + tokens);
        return new Work(input, Forward(layer, mode, input));
    });

    private static void AssertNothingWrong(int count, Action<int> call) => Assert.That(Callers.Run(count, call), Is.Empty);

    private sealed record Work(float[] Input, float[] Expected)
    {
        public void Check(FfnLayer layer, FfnMode mode)
        {
            if (!Forward(layer, mode, Input).AsSpan().SequenceEqual(Expected))
            {
                throw new InvalidOperationException($"{Input.Length / layer.Spec.InputWidth} tokens gave other bits than alone.");
            }
        }
    }
}
