using NativeFfn.Checkpoints;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Mixtures;

/// <summary>Experts that are read when they are needed, and make room for others.</summary>
public class ResidentExpertTests : BackendTests
{
    private const int Experts = 8;

    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 40, 72).WithNorms(new NormSpec(NormKind.Rms, 1e-5f))
        .WithExperts(new MixtureSpec(Experts, 2));

    private static readonly FfnSpec Dense = FfnSpec.Create(FfnKind.SwiGlu, 40, 72);

    public ResidentExpertTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public void Half_the_experts_give_the_same_bits_in_half_the_memory([Values] FfnMode mode, [Values(1, 2, 3)] int threads)
    {
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 800);
        using FfnLayer whole = Engine(threads).CreateLayer(Spec, weights);
        using FfnEngine engine = Bounded(threads, Experts / 2);
        using FfnLayer half = engine.CreateLayer(Spec, weights);
        foreach (int tokens in new[] { 1, 7, 64, 1, 200 })
        {
            float[] input = RandomLayers.Rows(tokens, Spec.DModel, 801 + tokens);
            Assert.That(Forward(half, mode, input), Is.EqualTo(Forward(whole, mode, input)), $"{tokens} tokens");
            Assert.That(half.WeightBytes, Is.LessThanOrEqualTo(whole.WeightBytes / 2 * 1.1));
        }
    }

    [Test]
    public void Only_chosen_experts_are_read()
    {
        var source = new CountingSource(RandomLayers.Gaussian(Spec, 802));
        using FfnEngine engine = Bounded(1, 4);
        using FfnLayer layer = engine.CreateLayer(Spec, source);
        Assert.That(source.Experts, Is.Empty, "none before the first token");

        var trace = new FfnTrace(Spec, 1);
        float[] input = RandomLayers.Rows(1, Spec.DModel, 803);
        layer.Inspect(FfnMode.Ffn, input, new float[input.Length], trace);
        Assert.That(source.Experts, Is.EquivalentTo(trace.Routing!.Experts));

        if (Backend == BackendKind.Reference)
        {
            Assert.Pass("It reads experts in every forward and keeps none.");
        }

        int reads = source.Reads;
        layer.Inspect(FfnMode.Ffn, input, new float[input.Length]);
        Assert.That(source.Reads, Is.EqualTo(reads), "what is in memory is not read again");
    }

    // Each token goes to the expert of its number, with room for two.
    [Test]
    public void The_expert_used_longest_ago_makes_room()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 40, 72).WithExperts(new MixtureSpec(Experts, 1));
        float[] router = new float[Experts * spec.DModel];
        for (int expert = 0; expert < Experts; expert++)
        {
            router[(expert * spec.DModel) + expert] = 1;
        }

        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 822);
        weights.Set("router.weight", router);
        var source = new CountingSource(weights);
        using FfnEngine engine = Bounded(1, 2);
        using FfnLayer layer = engine.CreateLayer(spec, source);
        foreach (int expert in (int[])[1, 0, 2, 0, 1, 0, 2, 0])
        {
            float[] row = new float[spec.DModel];
            row[expert] = 1;
            layer.Forward(row, new float[row.Length]);
        }

        if (Backend == BackendKind.Reference)
        {
            Assert.Pass("It reads experts in every forward and keeps none.");
        }

        // 2 takes the place of 1, 1 that of 2, as 0 was used in between, and 2 again that of 1.
        Assert.That(source.Order, Is.EqualTo((int[])[1, 0, 2, 1, 2]));
    }

    // Whoever reads the weights may dispose the layer meanwhile; what has started keeps it.
    [Test]
    public void A_forward_that_has_started_keeps_its_layer([Values] bool starts)
    {
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 823);
        float[] input = RandomLayers.Rows(30, Spec.DModel, 824);
        float[] expected;
        using (FfnLayer whole = Engine(2).CreateLayer(Spec, weights))
        {
            expected = Forward(whole, FfnMode.Block, input);
        }

        var source = new CountingSource(weights);
        using FfnEngine engine = Bounded(2, 4);
        FfnLayer layer = engine.CreateLayer(Spec, source);
        layer.Forward(input.AsSpan(0, Spec.DModel), new float[Spec.DModel]);
        source.Reading = () =>
        {
            source.Reading = null;
            long before = layer.WeightBytes;
            layer.Dispose();
            if (layer.WeightBytes < before)
            {
                // To go on would read memory that is gone.
                throw new InvalidOperationException("The weights were freed under the forward.");
            }
        };
        float[] output = new float[input.Length];
        if (starts)
        {
            layer.ForwardAsync(FfnMode.Block, input, output).AsTask().GetAwaiter().GetResult();
        }
        else
        {
            layer.ForwardBlock(input, output);
        }

        Assert.That(source.Reading, Is.Null, "the layer was disposed");
        Assert.That(output, Is.EqualTo(expected));
    }

    [Test]
    [CancelAfter(60_000)]
    public void Callers_at_once_wait_for_room_and_get_the_same_numbers([Values(1, 2, Experts)] int resident, [Values(1, 2)] int threads)
    {
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 804);
        using FfnLayer whole = Engine(threads).CreateLayer(Spec, weights);
        using FfnEngine engine = Bounded(threads, resident);
        using FfnLayer bounded = engine.CreateLayer(Spec, weights);
        float[][] inputs = [.. Enumerable.Range(0, 6).Select(static caller => RandomLayers.Rows(1 + (caller * 5), Spec.DModel, 805 + caller))];
        float[][] expected = [.. inputs.Select(input => Forward(whole, FfnMode.Residual, input))];
        bool[] right = new bool[inputs.Length];
        Assert.That(Callers.Run(inputs.Length, caller => right[caller] = Enumerable.Range(0, 20).All(
            _ => Forward(bounded, FfnMode.Residual, inputs[caller]).AsSpan().SequenceEqual(expected[caller]))), Is.Empty);
        Assert.That(right, Is.All.True);
    }

    [Test]
    public void A_read_that_fails_fails_the_forward_and_no_later_one()
    {
        var source = new CountingSource(RandomLayers.Gaussian(Spec, 812));
        using FfnEngine engine = Bounded(2, 2);
        using FfnLayer layer = engine.CreateLayer(Spec, source);
        float[] input = RandomLayers.Rows(9, Spec.DModel, 813);
        float[] output = [.. Enumerable.Repeat(-7f, input.Length)];
        source.Fails = true;
        for (int i = 0; i < 5; i++)
        {
            // Were a failed read's room kept, a later forward would wait for it.
            Task forward = Task.Run(() => layer.Forward(input, output));
            Assert.That(async () => await forward.WaitAsync(TimeSpan.FromSeconds(30)), Throws.TypeOf<IOException>());
        }

        Assert.That(output, Is.All.EqualTo(-7f));
        source.Fails = false;
        using FfnLayer whole = Engine(2).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 812));
        Assert.That(Forward(layer, FfnMode.Ffn, input), Is.EqualTo(Forward(whole, FfnMode.Ffn, input)));
    }

    // A wave holds experts while it acquires further ones: were they not let go, there would be no room any more, and nobody would return.
    [Test]
    public void A_read_that_fails_behind_others_leaves_no_expert_held([Values(2, 3)] int resident)
    {
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 820);
        var source = new CountingSource(weights);
        using FfnEngine engine = Bounded(2, resident);
        using FfnLayer layer = engine.CreateLayer(Spec, source);
        float[] input = RandomLayers.Rows(9, Spec.DModel, 821);
        using FfnLayer whole = Engine(2).CreateLayer(Spec, weights);
        float[] expected = Forward(whole, FfnMode.Ffn, input);
        for (int reads = 0; reads < 12; reads++)
        {
            source.FailsAt = source.Reads + reads;
            try
            {
                layer.Forward(input, new float[input.Length]);
            }
            catch (IOException)
            {
                // Whichever expert is read then.
            }

            source.FailsAt = null;
            Task<float[]> next = Task.Run(() => Forward(layer, FfnMode.Ffn, input));
            Assert.That(next.Wait(TimeSpan.FromSeconds(30)), Is.True, $"a forward after the read {reads} had failed returns");
            Assert.That(next.Result, Is.EqualTo(expected));
        }
    }

    [Test]
    public void A_checkpoint_is_read_for_as_long_as_it_is_open()
    {
        GoldenCase golden = GoldenCases.Find("mixtral");
        using FfnEngine engine = Bounded(2, 1);
        FfnCheckpoint checkpoint = FfnCheckpoint.Open(golden.Directory);
        using FfnLayer layer = engine.LoadLayer(checkpoint, golden.Layer);
        float[] output = Forward(layer, FfnMode.Block, golden.ReadInput());
        Tolerances.AssertClose(output, Estimate.Exact(golden.ReadExpected(FfnMode.Block)!), Tolerances.Golden, "block");
        checkpoint.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Forward(layer, FfnMode.Block, golden.ReadInput()));
    }

    [Test]
    public void A_layer_that_was_disposed_runs_no_more([Values(1, Experts)] int resident)
    {
        using FfnEngine engine = Bounded(1, resident);
        FfnLayer layer = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 814));
        float[] input = RandomLayers.Rows(1, Spec.DModel, 815);
        _ = Forward(layer, FfnMode.Ffn, input);
        layer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Forward(layer, FfnMode.Ffn, input));
    }

    [Test]
    public void A_negative_bound_is_refused() => Assert.That(
        () => FfnEngine.Create(new FfnEngineOptions { MaxResidentExperts = -1 }),
        Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("MaxResidentExperts"));

    // A GPU's backend keeps all experts, and says so where it is asked for less.
    private FfnEngine Bounded(int threads, int experts)
    {
        FfnEngine engine = TestBackends.Open(TestBackends.OptionsOf(Backend, threads) with { MaxResidentExperts = experts });
        if (Backend != BackendKind.CuBlas || experts >= Experts)
        {
            return engine;
        }

        using (engine)
        {
            Assert.That(
                () => engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 800)),
                Throws.TypeOf<NotSupportedException>().With.Message.Contains($"MaxResidentExperts is {experts}").And.Message.Contains("Set it to 0"));
            Assert.That(() => engine.CreateLayer(Dense, RandomLayers.Gaussian(Dense, 800)).Dispose(), Throws.Nothing, "a layer without experts");
        }

        Assert.Pass("The bound is refused.");
        return engine;
    }

    /// <summary>Notes whose tensors are read.</summary>
    private sealed class CountingSource(IFfnWeightSource weights) : IFfnWeightSource
    {
        private readonly Lock _lock = new();
        private readonly HashSet<int> _experts = [];
        private readonly List<int> _order = [];

        /// <summary>Called before a read.</summary>
        public Action? Reading { get; set; }

        public bool Fails { get; set; }

        /// <summary>The number of the read that fails, and of all later ones.</summary>
        public int? FailsAt { get; set; }

        public int Reads { get; private set; }

        public IEnumerable<int> Experts => _experts;

        /// <summary>Experts in the order of their reads.</summary>
        public IEnumerable<int> Order => _order;

        public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
        {
            Reading?.Invoke();
            lock (_lock)
            {
                if (Fails || Reads >= FailsAt)
                {
                    throw new IOException("The disk is gone.");
                }

                Reads++;
                if (tensor.Expert >= 0)
                {
                    _experts.Add(tensor.Expert);
                    if (_order.LastOrDefault(FfnTensor.NoExpert) != tensor.Expert)
                    {
                        _order.Add(tensor.Expert);
                    }
                }
            }

            weights.ReadRows(tensor, firstRow, destination);
        }
    }
}
