using Microsoft.Extensions.Diagnostics.HealthChecks;
using NativeFfn.Hosting;
using NativeFfn.Tests.OnDevice;
using NativeFfn.Tests.Software;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>
/// A server on a GPU's backend, on the software device: what is recorded before the first request, and devices that fail.
/// </summary>
public sealed class DeviceServingTests : DeviceTests
{
    // The third of the algorithms that cuBLASLt proposes, counted from 0.
    private const int Third = 2;

    private static readonly FfnSpec Mixture = FfnSpec.Create(FfnKind.SwiGlu, 32, 24).WithNorms(new NormSpec(NormKind.Rms, 1e-5f))
        .WithExperts(new MixtureSpec(4, 2));

    private static SoftwareDeviceOptions ThirdIsFastest =>
        Ada with { Milliseconds = static launch => launch.Matmul is { Algorithm: Third } ? 1 : 2 };

    [Test]
    public async Task After_the_warm_up_every_mode_of_every_layer_is_recorded_and_nothing_grows(
        [Values(0, 4)] int decodeTokens, [Values(8, 40)] int most)
    {
        Start();
        int[] counts = [1, 3, most];
        await using FfnServer server = Create(
            options =>
            {
                // Each wider than the one before it, so that its forwards move memory that the others' were recorded with.
                foreach (int width in (int[])[16, 48, 150])
                {
                    FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, width, 2 * width).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
                    options.AddLayer("w", spec, RandomLayers.Gaussian(spec, width));
                }

                options.Warmup.Enabled = true;
                options.Warmup.Tokens = counts;
                options.Batching.MaxBatchTokens = most;
            },
            decodeTokens);
        await server.StartHostAsync();
        (int captures, int allocations, int replays) = (Calls("cuStreamBeginCapture_v2"), Calls("cuMemAlloc_v2"), Calls("cuGraphLaunch"));
        int expected = 0;
        foreach (FfnLayerInfo layer in server.Client.Layers)
        {
            foreach (FfnMode mode in layer.Spec.Modes)
            {
                foreach (int tokens in counts)
                {
                    float[] rows = RandomLayers.Rows(tokens, layer.Spec.DModel, tokens);
                    await server.Client.ForwardAsync(layer.Name, rows, rows, new FfnRequestOptions(mode));
                    expected += tokens <= 16 ? 1 : 0;
                }
            }
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Calls("cuStreamBeginCapture_v2"), Is.EqualTo(captures), "nothing was left to record");
            Assert.That(Calls("cuMemAlloc_v2"), Is.EqualTo(allocations), "no memory was left to make");
            Assert.That(Calls("cuGraphLaunch") - replays, Is.EqualTo(expected), "all of few tokens was played from its record");
        }

        await server.StopAsync();
    }

    [Test]
    public async Task What_is_measured_is_measured_before_anything_is_recorded()
    {
        Start(ThirdIsFastest);
        await using FfnServer server = Create(static options =>
        {
            options.ConfigureEngine(static engine => engine with { Autotune = true });
            options.Warmup.Enabled = true;
            options.Warmup.Tokens = [1, 2, 5];
        });
        await server.StartHostAsync();
        int captures = Calls("cuStreamBeginCapture_v2");
        Device.ClearLaunches();
        foreach (int tokens in server.Runtime.Options.Warmup.Tokens!)
        {
            foreach (FfnMode mode in Enum.GetValues<FfnMode>())
            {
                await server.Client.ForwardAsync("m/1", new float[tokens * 16], new float[tokens * 16], new FfnRequestOptions(mode));
            }
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Calls("cuStreamBeginCapture_v2"), Is.EqualTo(captures));
            Assert.That(
                Device.Launches.SelectMany(static launch => launch.Nodes).Where(static node => node.Matmul is not null).Select(
                    static node => node.Matmul!.Algorithm),
                Is.Not.Empty.And.All.EqualTo(Third));
        }

        await server.StopAsync();
    }

    [Test]
    public async Task Whether_rows_may_share_is_tried_with_the_algorithms_that_will_run()
    {
        Start(ThirdIsFastest);
        await using FfnServer server = Create(static options =>
        {
            options.ConfigureEngine(static engine => engine with { Autotune = true });
            options.Warmup.Enabled = true;
            options.Warmup.Tokens = [];
            options.Batching.BatchInvariant = true;
            options.Batching.MaxBatchTokens = 20;
        });
        await server.StartHostAsync();
        Assert.That(Device.Launches.Last(static launch => launch.Matmul is not null).Matmul!.Algorithm, Is.EqualTo(Third));
        await server.StopAsync();
    }

    [Test]
    public async Task A_mixtures_requests_run_alone_where_the_same_bits_are_asked_for()
    {
        Start();
        await using FfnServer server = Create(static options =>
        {
            options.AddLayer("e", Mixture, RandomLayers.Gaussian(Mixture, 60));
            options.Batching.BatchInvariant = true;
        });
        await server.StartHostAsync();
        server.Runtime.Open!.Execution.Forward = server.Gate.Forward;
        FfnCall held = await server.HoldAsync();
        FfnCall[] calls =
            [server.Call("e/0", 1, 1), server.Call("e/0", 3, 2), server.Call("e/0", 20, 3), server.Call("m/1", 1, 4), server.Call(
                "m/1", 2, 5)];
        server.Gate.Open();
        await Task.WhenAll(calls.Append(held).Select(static call => call.AssertAnsweredAsync()));
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 1, 8, 3, 20 }), "each as it is, and the dense layer's filled up together");
        await server.StopAsync();
    }

    [Test]
    public async Task A_device_that_was_lost_past_the_queue_is_told_by_health_at_once([Values] bool draining)
    {
        SoftwareDevice device = Start();
        await using FfnServer server = Create(static _ => { });
        await server.StartHostAsync();
        Assert.That((await server.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));
        if (draining)
        {
            server.Runtime.BeginDraining();
        }

        device.FailCall("cuStreamSynchronize", 1, CudaResult.IllegalAddress);
        FfnLayer layer = server.Client.GetLayer("m/0");
        var failure = Assert.Throws<DeviceFailedException>(() => layer.Forward(new float[16], new float[16]))!;
        HealthReportEntry health = await server.HealthAsync();
        FfnUnavailableException refused = (await Assert.ThrowsAsync<FfnUnavailableException>(
            () => server.Client.ForwardAsync("m/0", new float[16], new float[16]).AsTask()))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(health.Status, Is.EqualTo(HealthStatus.Unhealthy));
            Assert.That(health.Description, Is.EqualTo($"The engine broke: {failure.Message}"));
            Assert.That(health.Exception, Is.SameAs(failure));
            Assert.That(refused.Message, Does.Contain(failure.Message));
            Assert.That((await server.HealthAsync()).Description, Is.EqualTo(health.Description));
        }

        await server.StopAsync();
        Assert.That((await server.HealthAsync()).Description, Does.Contain(failure.Message), "what broke stays broken");
    }

    [TestCase("cuMemAlloc_v2", false)]
    [TestCase("cuMemcpyDtoHAsync_v2", true)]
    public async Task A_device_that_fails_while_layers_are_loaded_ends_the_start_with_the_options_key(string function, bool invariant)
    {
        SoftwareDevice device = Start();
        await using FfnServer server = Create(
            options => options.Batching.BatchInvariant = invariant,
            opened: () => device.FailCall(function, 1, CudaResult.InvalidValue));
        FfnHostingException thrown = (await Assert.ThrowsAsync<FfnHostingException>(server.StartHostAsync))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(device.Failures.Failed, Is.EqualTo(function));
            Assert.That(thrown.Message, Does.StartWith("NativeFfn:Models:m cannot be loaded: ").And.Contains(function));
            Assert.That(thrown.InnerException, Is.TypeOf<DeviceFailedException>());
        }
    }

    private static FfnServer Create(Action<NativeFfnOptions> configure, int decodeTokens = 0, Action? opened = null)
    {
        FfnServer server = FfnServer.Create(services => services.AddNativeFfn(options =>
        {
            FfnServer.Defaults(options);
            configure(options);
        }));
        server.Runtime.CreateEngine = options =>
        {
            FfnEngine engine = FfnEngine.Create(Options(decodeTokens: decodeTokens) with { Autotune = options.Engine.Autotune });
            opened?.Invoke();
            return engine;
        };
        return server;
    }

    private int Calls(string function)
    {
        using (Device.Gate.EnterScope())
        {
            return Device.Failures.CallsOf(function);
        }
    }
}
