using System.Collections.Concurrent;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.OnDevice;

/// <summary>Things disposed in any order and while others run; what is the application's stays; slots share nothing.</summary>
public sealed class DeviceLifetimeTests : DeviceTests
{
    private const int Callers = 4;
    private const int Rounds = 10;
    private const int FewTokens = 3;
    private const int ManyTokens = 20;

    [Test]
    public void Engine_layers_and_streams_may_go_in_any_order([Range(0, 23)] int order)
    {
        Start();
        FfnEngine engine = Open(decodeTokens: 2);
        FfnLayer layer = NewLayer(engine);
        FfnLayer other = NewLayer(engine);
        FfnDeviceStream stream = engine.CreateDeviceStream();
        engine.CreateChain(layer, other).Forward(FfnMode.Block, DeviceBench.Rows(FewTokens), new float[FewTokens * DeviceBench.Width]);
        for (int tokens = 1; tokens <= FewTokens; tokens++)
        {
            // The second one is recorded.
            Run(layer, tokens);
            Run(layer, tokens);
            RunOnDevice(other, stream, tokens);
        }

        List<IDisposable> left = [engine, layer, other, stream];
        for (int rest = order; left.Count > 0; rest /= 4)
        {
            int next = rest % left.Count;
            left[next].Dispose();
            left[next].Dispose();
            left.RemoveAt(next);
        }
    }

    [Test]
    public void A_stream_outlives_its_engine_only_to_be_waited_for()
    {
        Start();
        FfnEngine engine = Open();
        using FfnLayer layer = NewLayer(engine);
        using FfnDeviceStream stream = engine.CreateDeviceStream();
        RunOnDevice(layer, stream, FewTokens);
        engine.Dispose();
        Assert.That(stream.Synchronize, Throws.Nothing);
        Assert.That(() => RunOnDevice(layer, stream, FewTokens), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => engine.CreateDeviceStream(), Throws.TypeOf<ObjectDisposedException>());
        stream.Dispose();
        Assert.That(stream.Synchronize, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_layer_disposed_under_what_runs_goes_when_that_is_done([Values("forward", "asynchronous", "chain", "tuning")] string what)
    {
        Start();
        using FfnEngine engine = FfnEngine.Create(Options() with { Autotune = true });
        FfnLayer layer = NewLayer(engine);
        float[] input = DeviceBench.Rows(ManyTokens);
        float[] expected = Run(layer, ManyTokens);
        float[] output = what == "tuning" ? expected : new float[input.Length];
        (long Before, long After)? bytes = null;
        Device.Milliseconds = launch =>
        {
            if (bytes is null && launch.Matmul is not null)
            {
                long before = Device.DeviceBytes;
                layer.Dispose();
                bytes = (before, Device.DeviceBytes);
            }

            return 1;
        };
        switch (what)
        {
            case "forward":
                layer.ForwardBlock(input, output);
                break;
            case "asynchronous":
                layer.ForwardAsync(FfnMode.Block, input, output).AsTask().GetAwaiter().GetResult();
                break;
            case "chain":
                engine.CreateChain(layer).Forward(FfnMode.Block, input, output);
                break;
            default:
                layer.Tune(ManyTokens);
                break;
        }

        Assert.That(bytes?.After, Is.EqualTo(bytes?.Before).And.Not.Null, "under what runs");
        Assert.That(Device.DeviceBytes, Is.LessThan(bytes!.Value.Before), "behind it");
        Assert.That(output, Is.EqualTo(expected));
    }

    [Test]
    public void A_context_and_a_stream_of_the_applications_stay()
    {
        Start();
        var foreign = new ForeignCuda(Device);
        nint handle = foreign.CreateStream();
        float[] expected = [];
        for (int engines = 0; engines < 2; engines++)
        {
            using FfnEngine engine = FfnEngine.Create(Options() with { CudaContext = foreign.Context });
            using FfnLayer layer = NewLayer(engine);
            using FfnDeviceStream stream = engine.UseDeviceStream(handle);
            Assert.That(stream.Handle, Is.EqualTo(handle));
            float[] rows = DeviceBench.Rows(FewTokens);
            nint address = foreign.Allocate<float>(rows);
            var where = new FfnDeviceRows(address, FewTokens, DeviceBench.Width);
            layer.ForwardBlock(stream, where, where);
            stream.Synchronize();
            float[] result = foreign.Read<float>(address, rows.Length);
            expected = engines == 0 ? result : expected;
            Assert.That(result, Is.EqualTo(expected));
            Assert.That(Run(layer, FewTokens), Is.EqualTo(expected));
        }

        Assert.That(Device.AllContexts.Single(static context => context.IsForeign).IsDestroyed, Is.False);
        Assert.That(Device.HasPrimary(0), Is.False, "the primary context was never needed");
        Assert.That(Device.Handles.Live.OfType<SoftwareStream>().Single().IsForeign, Is.True);
    }

    [Test]
    public void The_legacy_default_stream_serves_too()
    {
        Start();
        using FfnEngine engine = Open();
        using FfnLayer layer = NewLayer(engine);
        using FfnDeviceStream stream = engine.UseDeviceStream(0);
        Assert.That(RunOnDevice(layer, stream, FewTokens), Is.EqualTo(Run(layer, FewTokens)));
    }

    [Test]
    public void Engines_share_a_device_and_one_goes_without_the_others()
    {
        Start(Ada with { DeviceCount = 2 });
        using FfnEngine first = Open();
        using FfnLayer layer = NewLayer(first);
        float[] expected = Run(layer, FewTokens);
        foreach (FfnPrecision precision in (FfnPrecision[])[FfnPrecision.BFloat16, FfnPrecision.Float8])
        {
            using FfnEngine other = FfnEngine.Create(Options(precision) with { Device = 1 });
            using FfnLayer its = NewLayer(other);
            using FfnEngine beside = Open(precision);
            using FfnLayer beneath = NewLayer(beside);
            Assert.That(Run(its, FewTokens), Is.EqualTo(Run(beneath, FewTokens)));
            Assert.That(() => first.CreateChain(layer, its), Throws.ArgumentException);
            using FfnDeviceStream stream = other.CreateDeviceStream();
            Assert.That(() => layer.Forward(stream, default, default), Throws.ArgumentException);
        }

        Assert.That(Run(layer, FewTokens), Is.EqualTo(expected));
    }

    [Test]
    public void Callers_at_once_share_no_stream_no_handle_and_no_memory([Values] bool runsAtOnce)
    {
        Start().RunsAtOnce = runsAtOnce;
        using FfnEngine engine = Open(decodeTokens: 4);
        using FfnLayer layer = NewLayer(engine);
        int[] counts = [1, 3, 6, 20];
        float[][] expected = [.. counts.Select(tokens => Run(layer, tokens))];
        var wrong = new ConcurrentQueue<string>();
        RunAtOnce(wrong, caller =>
        {
            using FfnDeviceStream stream = engine.CreateDeviceStream();
            for (int round = 0; round < Rounds; round++)
            {
                int which = (caller + round) % counts.Length;
                float[] result = round % 2 == 0 ? Run(layer, counts[which]) : RunOnDevice(layer, stream, counts[which]);
                if (round % 2 == 0 ? !result.AsSpan().SequenceEqual(expected[which]) : !IsClose(result, expected[which]))
                {
                    wrong.Enqueue($"caller {caller}, round {round}: other numbers");
                }
            }
        });
        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Layers_come_and_go_while_others_run()
    {
        Start();
        using FfnEngine engine = Open(decodeTokens: 4);
        using FfnLayer layer = NewLayer(engine);
        float[] expected = Run(layer, FewTokens);
        var wrong = new ConcurrentQueue<string>();
        RunAtOnce(wrong, caller =>
        {
            for (int round = 0; round < Rounds; round++)
            {
                using FfnLayer own = NewLayer(engine);
                Run(layer, 1 + round);
                if (!Run(caller % 2 == 0 ? own : layer, FewTokens).AsSpan().SequenceEqual(expected))
                {
                    wrong.Enqueue($"caller {caller}, round {round}: other numbers");
                }
            }
        });
        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Layers_whose_source_fails_leave_nothing()
    {
        Start();
        using FfnEngine engine = Open(FfnPrecision.Float16);
        FfnMemoryWeights good = RandomLayers.Gaussian(DeviceBench.Spec, 33_000);
        FfnTensor last = DeviceBench.Spec.Tensors.Last(static tensor => !tensor.IsVector);
        var weights = new FfnMemoryWeights(DeviceBench.Spec);
        foreach (FfnTensor tensor in DeviceBench.Spec.Tensors)
        {
            float[] values = good.Get(tensor.Name).ToArray();
            values[^1] = tensor == last ? 70_000 : values[^1];
            weights.Set(tensor.Name, values);
        }

        Assert.That(
            () => engine.CreateLayer(DeviceBench.Spec, weights),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains(last.Name));
        Assert.That(Device.DeviceBytes, Is.Zero);
    }

    private static void RunAtOnce(ConcurrentQueue<string> wrong, Action<int> work)
    {
        Thread[] callers = [.. Enumerable.Range(0, Callers).Select(caller => new Thread(() =>
        {
            try
            {
                work(caller);
            }
            catch (Exception exception)
            {
                wrong.Enqueue(exception.ToString());
            }
        }))];
        Array.ForEach(callers, static caller => caller.Start());
        Array.ForEach(callers, static caller => caller.Join());
    }

    // Rows of the application's need not lie as the engine's own do, and another product may serve them.
    private static bool IsClose(float[] result, float[] expected) =>
        result.Zip(expected).All(static pair => Math.Abs(pair.First - pair.Second) <= Tolerances.Reordered * (1 + Math.Abs(pair.Second)));

    private static FfnLayer NewLayer(FfnEngine engine) => engine.CreateLayer(DeviceBench.Spec, RandomLayers.Gaussian(DeviceBench.Spec, 33_001));

    private static float[] Run(FfnLayer layer, int tokens) => EngineTests.Forward(layer, FfnMode.Block, DeviceBench.Rows(tokens));

    private float[] RunOnDevice(FfnLayer layer, FfnDeviceStream stream, int tokens)
    {
        var foreign = new ForeignCuda(Device) { InPrimaryContext = true };
        float[] rows = DeviceBench.Rows(tokens);
        nint address = foreign.Allocate<float>(rows);
        var where = new FfnDeviceRows(address, tokens, DeviceBench.Width);
        layer.ForwardBlock(stream, where, where);
        stream.Synchronize();
        float[] result = foreign.Read<float>(address, rows.Length);
        foreign.Free(address);
        return result;
    }
}
