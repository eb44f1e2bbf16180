using System.Collections.Concurrent;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Concurrency;

/// <summary>Layers and engines disposed at any moment: forwards in flight finish, later ones are refused, nothing is freed early.</summary>
public class DisposeTests : BackendTests
{
    private const int Callers = 4;
    private const int Rounds = 10;

    private static readonly FfnSpec Spec = FfnSpec.Create(FfnKind.SwiGlu, 64, 176);

    public DisposeTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public void A_layer_disposed_during_forwards_lets_them_finish([Values(1, 2)] int threads)
    {
        for (int round = 0; round < Rounds; round++)
        {
            FfnLayer layer = Engine(threads).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 800 + round));
            RunUntilDisposed(layer, layer);
        }
    }

    [Test]
    public void An_engine_disposed_during_forwards_lets_them_finish([Values(1, 2)] int threads)
    {
        for (int round = 0; round < Rounds; round++)
        {
            FfnEngine engine = OpenEngine(threads);
            using FfnLayer layer = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 850 + round));
            RunUntilDisposed(layer, engine);
        }
    }

    [Test]
    public void Disposing_twice_is_disposing_once()
    {
        FfnEngine engine = OpenEngine(2);
        FfnLayer layer = engine.CreateLayer(Spec, RandomLayers.Gaussian(Spec, 900));
        layer.Dispose();
        Assert.DoesNotThrow(layer.Dispose);
        engine.Dispose();
        Assert.DoesNotThrow(engine.Dispose);
    }

    [Test]
    public void A_disposed_layer_refuses_every_forward()
    {
        FfnLayer layer = Engine(1).CreateLayer(Spec, RandomLayers.Gaussian(Spec, 901));
        layer.Dispose();
        float[] rows = new float[Spec.DModel];
        using (Assert.EnterMultipleScope())
        {
            Assert.Throws<ObjectDisposedException>(() => layer.Forward(rows, rows));
            Assert.Throws<ObjectDisposedException>(() => layer.ForwardResidual(rows, rows, rows));
            Assert.Throws<ObjectDisposedException>(() => layer.ForwardBlock(rows, rows));
            Assert.Throws<ObjectDisposedException>(() => layer.Inspect(FfnMode.Ffn, rows, rows));
        }
    }

    [Test]
    public void A_disposed_engine_refuses_forwards_and_new_layers_but_not_the_disposal_of_its_layers()
    {
        FfnEngine engine = OpenEngine(2);
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 902);
        FfnLayer layer = engine.CreateLayer(Spec, weights);
        engine.Dispose();
        float[] rows = new float[Spec.DModel];
        using (Assert.EnterMultipleScope())
        {
            Assert.Throws<ObjectDisposedException>(() => layer.Forward(rows, rows));
            Assert.Throws<ObjectDisposedException>(() => engine.CreateLayer(Spec, weights));
            Assert.DoesNotThrow(layer.Dispose);
        }
    }

    [Test]
    public void Other_engines_live_on_when_one_is_disposed()
    {
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 903);
        float[] input = RandomLayers.Rows(9, Spec.DModel, 904);
        using FfnLayer layer = Engine(2).CreateLayer(Spec, weights);
        float[] before = Forward(layer, FfnMode.Ffn, input);
        OpenEngine(2).Dispose();
        Assert.That(Forward(layer, FfnMode.Ffn, input), Is.EqualTo(before));
    }

    [Test]
    public void Disposing_one_layer_leaves_the_engines_others_alone()
    {
        FfnMemoryWeights weights = RandomLayers.Gaussian(Spec, 905);
        float[] input = RandomLayers.Rows(9, Spec.DModel, 906);
        using FfnLayer kept = Engine(2).CreateLayer(Spec, weights);
        float[] before = Forward(kept, FfnMode.Ffn, input);
        Engine(2).CreateLayer(Spec, weights).Dispose();
        Assert.That(Forward(kept, FfnMode.Ffn, input), Is.EqualTo(before));
    }

    // Callers run forwards until they are refused; the disposal comes when each has run at least one.
    private static void RunUntilDisposed(FfnLayer layer, IDisposable disposed)
    {
        float[] input = RandomLayers.Rows(17, Spec.DModel, 907);
        float[] expected = Forward(layer, FfnMode.Residual, input);
        var wrong = new ConcurrentQueue<string>();
        using var running = new CountdownEvent(Callers);
        Thread[] callers = [.. Enumerable.Range(0, Callers).Select(_ => new Thread(() =>
        {
            bool counted = false;
            try
            {
                while (true)
                {
                    if (!Forward(layer, FfnMode.Residual, input).AsSpan().SequenceEqual(expected))
                    {
                        wrong.Enqueue("A forward that was let finish gave other numbers.");
                    }

                    if (!counted)
                    {
                        counted = true;
                        running.Signal();
                    }
                }
            }
            catch (ObjectDisposedException)
            {
                // What every caller must end with.
            }
            catch (Exception exception)
            {
                wrong.Enqueue(exception.ToString());
            }

            if (!counted)
            {
                wrong.Enqueue("A forward was refused before the disposal.");
                running.Signal();
            }
        }))];
        Array.ForEach(callers, static caller => caller.Start());
        running.Wait();
        disposed.Dispose();
        Array.ForEach(callers, static caller => caller.Join());
        layer.Dispose();
        Assert.That(wrong, Is.Empty);
    }
}
