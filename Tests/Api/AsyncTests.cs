using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Api;

/// <summary>Forwards that hold no thread give what others give.</summary>
public class AsyncTests : BackendTests
{
    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 40, 70, bias: true).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));

    public AsyncTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public async Task The_same_bits_come_out([Values] FfnMode mode, [Values(0, 1, 4, 9, 33)] int tokens)
    {
        using FfnLayer layer = Engine(2).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 1000));
        float[] input = RandomLayers.Rows(tokens, Spec.DModel, 1001);
        float[] expected = Forward(layer, mode, input);
        for (int run = 0; run < 3; run++)
        {
            float[] output = new float[input.Length];
            await layer.ForwardAsync(mode, input, output);
            Assert.That(output, Is.EqualTo(expected), $"run {run}");
        }
    }

    [Test]
    public async Task It_may_run_in_place()
    {
        using FfnLayer layer = Engine(1).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 1002));
        float[] rows = RandomLayers.Rows(6, Spec.DModel, 1003);
        float[] expected = Forward(layer, FfnMode.Residual, rows);
        await layer.ForwardAsync(FfnMode.Residual, rows, rows);
        Assert.That(rows, Is.EqualTo(expected));
    }

    [Test]
    public async Task Many_at_once_each_get_their_own()
    {
        const int forwards = 40;
        using FfnLayer layer = Engine(2).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 1004));
        float[][] inputs = [.. Enumerable.Range(0, forwards).Select(i => RandomLayers.Rows(1 + (i % 7), Spec.DModel, 1005 + i))];
        float[][] expected = [.. inputs.Select(input => Forward(layer, FfnMode.Block, input))];
        float[][] outputs = [.. inputs.Select(static input => new float[input.Length])];
        await Task.WhenAll(Enumerable.Range(0, forwards).Select(i => layer.ForwardAsync(FfnMode.Block, inputs[i], outputs[i]).AsTask()));
        Assert.That(outputs, Is.EqualTo(expected));
    }

    [Test]
    public void A_cancelled_one_is_not_launched_and_writes_nothing()
    {
        using FfnLayer layer = Engine(1).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 1006));
        float[] output = new float[Spec.DModel];
        Assert.That(
            async () => await layer.ForwardAsync(FfnMode.Ffn, new float[Spec.DModel], output, new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(output, Is.All.Zero);
        Assert.That(Forward(layer, FfnMode.Ffn, new float[Spec.DModel]), Has.Some.Not.Zero, "the layer goes on");
    }

    [Test]
    public void What_does_not_fit_is_refused_at_once()
    {
        FfnLayer layer = Engine(1).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 1007));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => layer.ForwardAsync(FfnMode.Ffn, new float[Spec.DModel], new float[1]), Throws.ArgumentException);
            Assert.That(() => layer.ForwardAsync((FfnMode)9, new float[Spec.DModel], new float[Spec.DModel]), Throws.InstanceOf<ArgumentOutOfRangeException>());
        }

        layer.Dispose();
        Assert.That(() => layer.ForwardAsync(FfnMode.Ffn, new float[Spec.DModel], new float[Spec.DModel]), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public async Task One_that_was_launched_ends_well_when_the_layer_and_the_engine_are_disposed()
    {
        FfnEngine engine = OpenEngine(2);
        FfnLayer layer = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 1008));
        float[] input = RandomLayers.Rows(33, Spec.DModel, 1009);
        float[] expected = Forward(layer, FfnMode.Block, input);
        float[] output = new float[input.Length];
        ValueTask launched = layer.ForwardAsync(FfnMode.Block, input, output);
        layer.Dispose();
        engine.Dispose();
        await launched;
        Assert.That(output, Is.EqualTo(expected));
    }

    [Test]
    public void A_warm_up_changes_nothing_and_counts_must_be_positive()
    {
        using FfnLayer layer = Engine(1).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 1010));
        float[] input = RandomLayers.Rows(3, Spec.DModel, 1011);
        float[] before = Forward(layer, FfnMode.Block, input);
        layer.Warmup(1, 3, 20);
        Assert.That(Forward(layer, FfnMode.Block, input), Is.EqualTo(before));
        Assert.That(() => layer.Warmup(4, 0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void A_layer_that_changes_the_width_is_warmed_up_in_the_mode_that_it_has()
    {
        FfnSpec narrowing = FfnSpec.Stack(new FfnStage(FfnKind.Relu, 8, 16, false), new FfnStage(FfnKind.Linear, 16, 5, false));
        using FfnLayer layer = Engine(1).CreateLayer(narrowing, RandomLayers.Gaussian(narrowing, 1020));
        Assert.That(narrowing.Modes, Is.EqualTo(new[] { FfnMode.Ffn }));
        Assert.That(() => layer.Warmup(3, 1), Throws.Nothing);
    }

    [Test]
    public void A_chain_is_its_layers_one_after_the_other([Values] FfnMode mode, [Values(0, 1, 4, 20)] int tokens)
    {
        FfnSpec other = FfnSpec.Create(FfnKind.Gelu, 40, 33, bias: true).WithNorms(post: new NormSpec(NormKind.Layer, 1e-5f));
        using FfnLayer first = Engine(2).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 1012));
        using FfnLayer second = Engine(2).CreateLayer(other, RandomLayers.Gaussian(other, 1013));
        FfnChain chain = Engine(2).CreateChain(first, second, first);
        float[] input = RandomLayers.Rows(tokens, Spec.DModel, 1014);
        float[] expected = Forward(first, mode, Forward(second, mode, Forward(first, mode, input)));
        float[] output = new float[input.Length];
        chain.Forward(mode, input, output);
        Assert.That(output, Is.EqualTo(expected));
        chain.Forward(mode, input, input);
        Assert.That(input, Is.EqualTo(expected), "in place");
    }

    [Test]
    public void A_chain_refuses_layers_that_do_not_fit()
    {
        using FfnEngine stranger = OpenEngine(1);
        FfnSpec narrow = FfnSpec.Create(FfnKind.Relu, 8, 16);
        FfnSpec widening = FfnSpec.Stack(new FfnStage(FfnKind.Relu, 40, 8, false), new FfnStage(FfnKind.Linear, 8, 41, false));
        using FfnLayer layer = Engine(1).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 1015));
        using FfnLayer strange = stranger.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 1016));
        using FfnLayer small = Engine(1).CreateLayer(narrow, RandomLayers.Gaussian(narrow, 1017));
        using FfnLayer wide = Engine(1).CreateLayer(widening, RandomLayers.Gaussian(widening, 1018));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => Engine(1).CreateChain(), Throws.ArgumentException);
            Assert.That(() => Engine(1).CreateChain(layer, strange), Throws.ArgumentException.With.Message.Contains("another engine"));
            Assert.That(() => Engine(1).CreateChain(layer, small), Throws.ArgumentException.With.Message.Contains("one width, here 40"));
            Assert.That(() => Engine(1).CreateChain(wide), Throws.ArgumentException.With.Message.Contains("40 elements into 41"));
        }
    }
}
