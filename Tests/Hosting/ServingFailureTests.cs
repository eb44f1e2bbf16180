using System.Buffers;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using NativeFfn.Hosting;
using NativeFfn.Hosting.Batching;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>Requests that fail while they run, and engines that break.</summary>
public sealed class ServingFailureTests
{
    [Test]
    public async Task Memory_that_its_owner_took_away_fails_alone([Values] bool input, [Values] bool alone)
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        FfnCall before = alone ? held : server.Call("m/0", 1, 1);
        using var owner = new TakenMemory(2 * 16);
        float[] good = new float[2 * 16];
        Task bad = server.Client.ForwardAsync("m/0", input ? owner.Memory : good, input ? good : owner.Memory).AsTask();
        FfnCall after = alone ? held : server.Call("m/0", 3, 2);
        owner.IsTaken = true;
        server.Gate.Open();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => bad);
        await Task.WhenAll(new[] { held, before, after }.Select(static call => call.AssertAnsweredAsync()));
        Assert.That((await server.HealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));
    }

    // Filled up, a batch has rows to spare, which a request that is left out must not shift.
    [Test]
    public async Task A_request_that_drops_out_of_a_batch_shifts_no_other([Values] bool filledUp)
    {
        await using FfnServer server = await FfnServer.StartAsync(options => options.Batching.BatchInvariant = filledUp);
        FfnCall held = await server.HoldAsync();
        using var owner = new TakenMemory(2 * 16);
        FfnCall before = server.Call("m/0", 1, 1);
        Task bad = server.Client.ForwardAsync("m/0", owner.Memory, new float[2 * 16]).AsTask();
        FfnCall after = server.Call("m/0", 3, 2);
        owner.IsTaken = true;
        server.Gate.Open();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => bad);
        await Task.WhenAll(new[] { held, before, after }.Select(static call => call.AssertAnsweredAsync()));
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { filledUp ? 8 : 4 }), "one forward for both, and none of either alone");
    }

    [Test]
    public async Task Where_a_batch_fails_for_one_request_the_others_run_alone()
    {
        await using FfnServer server = await FfnServer.StartAsync();
        server.Gate.Failing = static rows =>
        {
            if (rows >= 3)
            {
                throw new InsufficientMemoryException("too many rows");
            }
        };
        FfnCall held = await server.HoldAsync();
        FfnCall before = server.Call("m/0", 1, 1);
        FfnCall bad = server.Call("m/0", 3, 2);
        FfnCall after = server.Call("m/0", 2, 3);
        server.Gate.Open();
        await Assert.ThrowsAsync<InsufficientMemoryException>(() => bad.Task);
        await Task.WhenAll(new[] { held, before, after }.Select(static call => call.AssertAnsweredAsync()));
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 6, 1, 3, 2 }));
        await server.Call("m/0", 2).AssertAnsweredAsync();
    }

    [Test]
    public async Task An_engine_that_breaks_takes_no_more_requests_and_says_why([Values] bool merged)
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        server.Gate.Failing = static _ => throw new InvalidOperationException("device lost");
        FfnCall[] waiting = [.. Enumerable.Range(0, merged ? 3 : 0).Select(i => server.Call("m/0", 2, i)), server.Call("m/1", 2)];
        server.Gate.Open();
        foreach (FfnCall call in waiting.Append(held))
        {
            FfnUnavailableException thrown = (await Assert.ThrowsAsync<FfnUnavailableException>(() => call.Task))!;
            Assert.That(thrown.InnerException!.Message, Is.EqualTo("device lost"));
        }

        FfnUnavailableException later = (await Assert.ThrowsAsync<FfnUnavailableException>(() => server.Call("m/0", 1).Task))!;
        HealthReportEntry health = await server.HealthAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(later.Message, Does.Contain("The engine broke: device lost"));
            Assert.That(health.Status, Is.EqualTo(HealthStatus.Unhealthy));
            Assert.That(health.Description, Does.Contain("device lost"));
            Assert.That(server.Gate.Rows.Count(), Is.Zero, "nothing runs on a broken engine");
        }
    }

    [Test]
    public async Task An_engine_that_breaks_while_a_failed_batch_runs_one_by_one_is_unavailable_to_all_that_follow([Values(0, 1)] int first)
    {
        await using FfnServer server = await FfnServer.StartAsync();
        FfnCall held = await server.HoldAsync();
        using var owner = new TakenMemory(16);
        Task taken = server.Client.ForwardAsync("m/0", owner.Memory, new float[16]).AsTask();
        FfnCall[] waiting = [.. Enumerable.Range(0, 3).Select(i => server.Call("m/0", 1 + i, i))];
        owner.IsTaken = true;

        // The held one passes; the batch does not fit; of its requests one passes or none, and the next one breaks the engine.
        int runs = 0;
        server.Gate.Failing = _ =>
        {
            int run = runs++;
            if (run == 1)
            {
                throw new InsufficientMemoryException("too many rows");
            }

            if (run == 2 + first)
            {
                throw new DeviceFailedException("device lost", isFatal: true, new InvalidOperationException());
            }
        };
        server.Gate.Open();
        await held.AssertAnsweredAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => taken);
        foreach (FfnCall call in waiting[..first])
        {
            await call.AssertAnsweredAsync();
        }

        FfnUnavailableException[] thrown = await Task.WhenAll(
            waiting[first..].Select(static async call => (await Assert.ThrowsAsync<FfnUnavailableException>(() => call.Task))!));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(thrown.Select(static one => one.InnerException!.Message), Has.All.EqualTo("device lost"));
            Assert.That(thrown.Distinct().Count(), Is.EqualTo(thrown.Length), "an exception that is thrown twice loses its stack trace");
            Assert.That(runs, Is.EqualTo(3 + first), "nothing runs on a broken engine");
        }
    }

    [Test]
    public async Task An_engine_that_does_not_warm_up_leaves_the_server_alive_and_not_ready()
    {
        await using FfnServer server = FfnServer.Create(static services => services.AddNativeFfn(static options =>
        {
            FfnServer.Defaults(options);
            options.Warmup.Enabled = true;
        }));
        server.Runtime.WarmupForward = static (_, _, _, _) => throw new InvalidOperationException("no kernel image");
        await server.StartHostAsync();
        HealthReportEntry health = await server.HealthAsync();
        FfnUnavailableException thrown = (await Assert.ThrowsAsync<FfnUnavailableException>(
            () => server.Client.ForwardAsync("m/0", new float[16], new float[16]).AsTask()))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(health.Status, Is.EqualTo(HealthStatus.Unhealthy));
            Assert.That(health.Description, Is.EqualTo("The warm-up failed: no kernel image"));
            Assert.That(thrown.Message, Is.EqualTo(health.Description));
            Assert.That(() => server.Client.Layers, Throws.TypeOf<FfnUnavailableException>());
        }

        await server.StopAsync();
    }

    [Test]
    public async Task Weights_that_cannot_be_counted_end_the_start_with_the_options_key()
    {
        FfnSpec spec = FfnServer.ExactLayer(1).Spec;
        await using FfnServer server = FfnServer.Create(services => services.AddNativeFfn(options =>
        {
            FfnServer.Defaults(options);
            options.AddLayer("o", spec, new OverflowingWeights());
        }));
        FfnHostingException thrown = (await Assert.ThrowsAsync<FfnHostingException>(server.StartHostAsync))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(thrown.Message, Is.EqualTo("NativeFfn:Models:o cannot be loaded: too many"));
            Assert.That(thrown.InnerException, Is.TypeOf<OverflowException>());
        }
    }

    [TestCase(new[] { 2, 5, 2 }, false, new[] { 5, 2 })]
    [TestCase(null, false, new[] { 100, 1 })]
    [TestCase(null, true, new[] { 64, 1 })]
    public async Task The_warm_up_runs_every_layer_in_every_mode_and_many_tokens_before_few(int[]? tokens, bool invariant, int[] expected)
    {
        var forwards = new List<(int Rows, string Layer, FfnMode Mode)>();
        (FfnSpec spec, FfnMemoryWeights weights) = FfnServer.ExactLayer(42);
        FfnSpec narrowing = FfnSpec.Stack(new FfnStage(FfnKind.Relu, 16, 24, false), new FfnStage(FfnKind.Linear, 24, 5, false));
        await using FfnServer server = FfnServer.Create(services => services.AddNativeFfn(options =>
        {
            options.ConfigureEngine(static engine => engine with { Backend = BackendKind.Managed });
            options.AddLayer("a", spec, weights).AddLayer("b", spec.WithoutBlock("a norm is missing."), weights);
            options.AddLayer("c", narrowing, RandomLayers.Gaussian(narrowing, 43));
            options.Batching.MaxBatchTokens = 100;
            options.Batching.BatchInvariant = invariant;
            options.Warmup.Tokens = tokens;
        }));
        server.Runtime.WarmupForward = (layer, mode, input, output) =>
        {
            forwards.Add(
                (input.Length / layer.Spec.InputWidth, layer.Spec.KeepsWidth ? layer.Spec.WhyNoBlock is null ? "a" : "b" : "c", mode));
            LayerForwards.Run(layer, mode, input, output);
        };
        await server.StartHostAsync();
        (string Layer, FfnMode Mode)[] modes =
        [
            ("a", FfnMode.Ffn), ("a", FfnMode.Residual), ("a", FfnMode.Block), ("b", FfnMode.Ffn), ("b", FfnMode.Residual),
            ("c", FfnMode.Ffn),
        ];
        Assert.That(forwards, Is.EqualTo(expected.SelectMany(rows => modes.Select(mode => (rows, mode.Layer, mode.Mode)))));
    }

    private sealed class OverflowingWeights : IFfnWeightSource
    {
        public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination) => throw new OverflowException("too many");
    }

    private sealed class TakenMemory(int length) : MemoryManager<float>
    {
        private readonly float[] _memory = new float[length];

        public bool IsTaken { get; set; }

        public override Span<float> GetSpan()
        {
            ObjectDisposedException.ThrowIf(IsTaken, this);
            return _memory;
        }

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin() => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
        }
    }
}
