using NativeFfn.Tests.Parity;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Mixtures;

/// <summary>Where backends send tokens: the trace, ties, what cannot be routed, and what nobody chose.</summary>
public class RoutingTests : BackendTests
{
    private const int DModel = 24;
    private const int DFf = 40;

    private static readonly FfnSpec Network = FfnSpec.Create(FfnKind.SwiGlu, DModel, DFf).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));

    private static readonly ParityCase[] Cases = [.. MixtureCases.All()];

    public RoutingTests(BackendKind backend)
        : base(backend)
    {
    }

    [TestCaseSource(nameof(Cases))]
    public void A_trace_is_the_references_routing(ParityCase layer)
    {
        ReferenceRoute[] expected = layer.Expected.Routes;
        foreach (int threads in ThreadCounts)
        {
            using FfnLayer made = Engine(threads).CreateLayer(layer.Spec, layer.Weights);
            FfnRoutingTrace routing = Trace(made, layer.Mode, layer.Input()).Routing!;
            (int experts, int topK) = (layer.Spec.Mixture!.Experts, layer.Spec.Mixture.TopK);
            Assert.That(routing.Scores, Has.Length.EqualTo(layer.Tokens * experts));
            Assert.That((routing.Experts.Length, routing.Weights.Length), Is.EqualTo((layer.Tokens * topK, layer.Tokens * topK)));
            for (int token = 0; token < layer.Tokens; token++)
            {
                int[] chosen = routing.Experts[(token * topK)..((token + 1) * topK)];
                Assert.That(chosen.Order(), Is.EqualTo(expected[token].Chosen.Order()), $"token {token}");
                double[] gates = [.. chosen.Select(expert => expected[token].Gates[expert])];
                Assert.That(
                    routing.Weights[(token * topK)..((token + 1) * topK)],
                    Is.EqualTo(gates.Select(static gate => (float)gate)).Within(1e-5 * gates.Max(Math.Abs)), $"token {token}");
                double[] scores = expected[token].Scores;
                Assert.That(
                    routing.Scores[(token * experts)..((token + 1) * experts)],
                    Is.EqualTo(scores.Select(static score => (float)score)).Within(1e-5 * scores.Max(Math.Abs)), $"token {token}");
            }
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void Looking_changes_no_bit_and_neither_do_threads(ParityCase layer)
    {
        float[]? first = null;
        foreach (int threads in ThreadCounts)
        {
            using FfnLayer made = Engine(threads).CreateLayer(layer.Spec, layer.Weights);
            float[] input = layer.Input();
            float[] plain = Forward(made, layer.Mode, input);
            float[] traced = new float[plain.Length];
            made.Inspect(layer.Mode, input, traced, new FfnTrace(layer.Spec, layer.Tokens), new FfnProfile());
            Assert.That(traced, Is.EqualTo(plain), "traced");
            first ??= plain;

            // How sgemm sums depends on the width that it is given, and that on threads.
            if (Backend == BackendKind.Managed)
            {
                Assert.That(plain, Is.EqualTo(first), $"{threads} threads");
            }
            else
            {
                Tolerances.AssertClose(plain, Estimate.Exact(first), Tolerances.Golden, $"{threads} threads");
            }
        }
    }

    // Equal rows of the router give equal logits, whatever the arithmetic.
    [Test]
    public void Of_equal_experts_the_first_are_chosen([Values] RouterScoring scoring, [Values(1, 2, 3)] int threads)
    {
        bool isSparse = scoring == RouterScoring.SparseMixer;
        FfnSpec spec = Network.WithExperts(new MixtureSpec(8, 3) { Scoring = scoring, Groups = isSparse ? 1 : 4, TopGroups = isSparse ? 1 : 2 });
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 700);
        float[] row = RandomLayers.Rows(1, DModel, 701);
        weights.Set("router.weight", Enumerable.Range(0, 8).SelectMany(_ => row).ToArray());
        using FfnLayer layer = Engine(threads).CreateLayer(spec, weights);
        FfnRoutingTrace routing = Trace(layer, FfnMode.Ffn, RandomLayers.Rows(5, DModel, 702)).Routing!;
        Assert.That(routing.Experts, Is.EqualTo(Enumerable.Range(0, 5).SelectMany(static _ => new[] { 0, 1, 2 })));

        // The sparse mixer weighs each among those that are left: 1/8, 1/7 and 1/6.
        float[] weighed = isSparse ? [1 / 8f, 1 / 7f, 1 / 6f] : [1, 1, 1];
        float[] gates = Array.ConvertAll(weighed, weight => weight / weighed.Sum());
        Assert.That(routing.Weights, Is.EqualTo(Enumerable.Range(0, 5).SelectMany(_ => gates)).Within(1e-6));
    }

    [Test]
    public void A_tie_for_the_last_place_goes_to_the_lower_index()
    {
        FfnSpec spec = Network.WithExperts(new MixtureSpec(6, 2));
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 703);
        float[] router = new float[6 * DModel];
        (router[1 * DModel], router[2 * DModel], router[4 * DModel], router[5 * DModel]) = (1, 2, 3, 2);
        weights.Set("router.weight", router);
        using FfnLayer layer = Engine(2).CreateLayer(spec, weights);
        float[] input = RandomLayers.Rows(3, DModel, 704);
        (input[0], input[DModel], input[2 * DModel]) = (1, 0, -1);
        FfnRoutingTrace routing = Trace(layer, FfnMode.Ffn, input).Routing!;

        // Logits are 0, x, 2x, 0, 3x, 2x.
        Assert.That(routing.Experts, Is.EqualTo(new[] { 4, 2, 0, 1, 0, 3 }));
    }

    [Test]
    public void What_nobody_chose_is_not_touched([Values(1, 2)] int threads, [Values(1, 40)] int tokens)
    {
        FfnSpec spec = Network.WithExperts(new MixtureSpec(4, 2) { Scoring = RouterScoring.Sigmoid, HasSelectionBias = true });
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 705);
        weights.Set("router.selection_bias", new float[] { 0, -10, 0, 0 });
        foreach (string part in new[] { "gate", "up", "down" })
        {
            weights.Set($"experts.1.{part}.weight", Enumerable.Repeat(float.NaN, DModel * DFf).ToArray());
        }

        using FfnLayer layer = Engine(threads).CreateLayer(spec, weights);
        float[] input = RandomLayers.RowsFor(spec, weights, tokens, 706);
        Tolerances.AssertClose(
            Forward(layer, FfnMode.Block, input), Oracle.Run(spec, weights, FfnMode.Block, input).Output, Tolerances.Of(spec), "block");
        long[] counts = new long[4];
        layer.ReadExpertTokens(counts);
        Assert.That(counts[1], Is.Zero);
        Assert.That(counts.Sum(), Is.EqualTo(2 * tokens));
    }

    [Test]
    public void A_token_that_cannot_be_routed_is_named_and_nothing_is_written(
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float bad, [Values] FfnMode mode, [Values(1, 2, 3)] int threads)
    {
        FfnSpec spec = Network.WithExperts(new MixtureSpec(4, 2));
        using FfnLayer layer = Engine(threads).CreateLayer(spec, RandomLayers.Gaussian(spec, 707));
        float[] input = RandomLayers.Rows(7, DModel, 708);
        (input[(3 * DModel) + 5], input[(6 * DModel) + 1]) = (bad, bad);
        float[] output = [.. Enumerable.Repeat(-7f, input.Length)];
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => Forward(layer, mode, input, input, output))!;
        Assert.That(refusal.Message, Does.Contain("Token 3").And.Contain("not finite").And.Not.Contain('\n'));
        Assert.That(output, Is.All.EqualTo(-7f));

        float[] rows = [.. input];
        Assert.Throws<ArgumentException>(() => Forward(layer, mode, rows, rows, rows));
        Assert.That(rows, Is.EqualTo(input), "in place");

        float[] good = RandomLayers.Rows(7, DModel, 709);
        Assert.That(Forward(layer, mode, good), Is.All.Matches<float>(float.IsFinite), "the layer goes on");
    }

    // More tokens than are run at a time.
    [Test]
    public void A_token_at_the_end_of_many_stops_all_of_them()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.Relu, 4, 4).WithExperts(new MixtureSpec(2, 1));
        using FfnLayer layer = Engine(2).CreateLayer(spec, RandomLayers.Gaussian(spec, 710));
        float[] rows = RandomLayers.Rows(5000, 4, 711);
        rows[^1] = float.NaN;
        float[] before = [.. rows];
        ArgumentException refusal = Assert.Throws<ArgumentException>(() => layer.ForwardResidual(rows, rows, rows))!;
        Assert.That(refusal.Message, Does.Contain("Token 4999"));
        Assert.That(rows, Is.EqualTo(before));
    }

    [Test]
    public void Many_tokens_are_what_few_are()
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 8, 8).WithNorms(new NormSpec(NormKind.Rms, 1e-5f)).WithExperts(new MixtureSpec(4, 2) { SharedDFf = 4 });
        using FfnLayer layer = Engine(2).CreateLayer(spec, RandomLayers.Gaussian(spec, 712));
        float[] rows = RandomLayers.Rows(5000, 8, 713);
        float[] all = Forward(layer, FfnMode.Block, rows);
        for (int first = 0; first < 5000; first += 500)
        {
            float[] part = Forward(layer, FfnMode.Block, rows[(first * 8)..((first + 500) * 8)]);
            Tolerances.AssertClose(all.AsSpan(first * 8, 500 * 8), Estimate.Exact(part), Tolerances.Golden, $"tokens from {first}");
        }
    }

    [Test]
    public void Logits_that_overflow_cannot_be_routed()
    {
        FfnSpec spec = Network.WithExperts(new MixtureSpec(4, 2));
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 714);
        weights.Set("router.weight", Enumerable.Repeat(float.MaxValue, 4 * DModel).ToArray());
        using FfnLayer layer = Engine(1).CreateLayer(spec, weights);
        float[] input = [.. Enumerable.Repeat(2f, DModel)];
        Assert.That(() => Forward(layer, FfnMode.Ffn, input), Throws.ArgumentException.With.Message.Contains("Token 0"));
    }

    // All sigmoids underflow: their sum must not divide by zero.
    [Test]
    public void Scores_of_nothing_give_nothing()
    {
        FfnSpec spec = Network.WithExperts(new MixtureSpec(4, 2) { Scoring = RouterScoring.Sigmoid });
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 715);
        weights.Set("router.weight", Enumerable.Repeat(-1000f, 4 * DModel).ToArray());
        using FfnLayer layer = Engine(1).CreateLayer(spec, weights);
        Assert.That(Forward(layer, FfnMode.Ffn, [.. Enumerable.Repeat(1f, DModel)]), Is.All.EqualTo(0f));
    }

    [Test]
    public void Output_may_be_the_input([Values] FfnMode mode, [Values(1, 2, 33)] int tokens, [Values(1, 3)] int threads)
    {
        FfnSpec spec = Network.WithExperts(new MixtureSpec(8, 2) { SharedDFf = 16, HasSharedGate = true });
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 716);
        using FfnLayer layer = Engine(threads).CreateLayer(spec, weights);
        float[] input = RandomLayers.RowsFor(spec, weights, tokens, 717);
        float[] residual = RandomLayers.Rows(tokens, DModel, 718);
        float[] expected = Forward(layer, mode, input, residual);
        float[] rows = [.. input];
        Forward(layer, mode, rows, residual, rows);
        Tolerances.AssertClose(rows, Estimate.Exact(expected), Tolerances.Golden, "the input");
        if (mode == FfnMode.Residual)
        {
            layer.ForwardResidual(input, residual, residual);
            Tolerances.AssertClose(residual, Estimate.Exact(expected), Tolerances.Golden, "the residual");
        }
    }

    private static FfnTrace Trace(FfnLayer layer, FfnMode mode, float[] input)
    {
        var trace = new FfnTrace(layer.Spec, input.Length / layer.Spec.InputWidth);
        layer.Inspect(mode, input, new float[input.Length], trace);
        Assert.That(trace.HiddenStages, Is.Empty);
        return trace;
    }
}
