using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using NativeFfn.Backends.Parallel;
using NativeFfn.Hosting;
using NativeFfn.Tests.Ranks;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>More models than there is memory for: who goes, who comes back, and what requests see of it.</summary>
public sealed class UnloadTests
{
    private const int Width = 16;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // What one of the models takes here, as padding depends on the processor's vectors.
    private static long Size { get; } = SizeOfOne();

    [Test]
    public async Task The_model_that_was_asked_for_longest_ago_makes_room()
    {
        var models = new Models(3);
        await using FfnServer server = await StartAsync(models, room: 2);
        Assert.That(InMemory(server), Is.EqualTo(new[] { "b", "c" }), "the first one loaded was the first to go");
        await models.AssertAnswerAsync(server, "b");
        await models.AssertAnswerAsync(server, "a");
        Assert.That(InMemory(server), Is.EqualTo(new[] { "a", "b" }), "b was asked for after c was loaded");
        await models.AssertAnswerAsync(server, "b");
        await models.AssertAnswerAsync(server, "c");
        Assert.That(InMemory(server), Is.EqualTo(new[] { "b", "c" }));
        Assert.That(server.Client.Layers.Select(static layer => layer.Name), Is.EqualTo(new[] { "a/0", "b/0", "c/0" }));
        Assert.That((await server.HealthAsync()).Description, Does.EndWith(". 1 more are unloaded until they are asked for."));
    }

    [Test]
    public async Task Models_come_and_go_under_load_and_no_request_fails_or_is_wrong()
    {
        var models = new Models(4);
        await using FfnServer server = await StartAsync(models, room: 2, static options => options.Batching.MaxConcurrentBatches = 2);
        Task[] clients = [.. Enumerable.Range(0, 6).Select(client => Task.Run(async () =>
        {
            for (int i = 0; i < 40; i++)
            {
                await models.AssertAnswerAsync(server, models.Names[(i + (client * 3)) % 4]);
                Assert.That(server.Runtime.Open!.Layers.WeightBytes, Is.AtMost(2 * Size));
            }
        }))];
        await Task.WhenAll(clients).WaitAsync(Patience);
        Assert.That(InMemory(server), Has.Length.EqualTo(2));
    }

    [Test]
    public async Task Who_gives_up_waiting_holds_nothing()
    {
        var models = new Models(3);
        await using FfnServer server = await StartAsync(models, room: 2);
        models.Reading.Reset();
        var cancelled = new CancellationTokenSource();
        Task late = models.ForwardAsync(server, "a", new FfnRequestOptions(Deadline: TimeSpan.FromSeconds(1)));
        Task gone = models.ForwardAsync(server, "a", default, cancelled.Token);
        Task<bool> waits = models.AnswersAsync(server, "a");
        await cancelled.CancelAsync();
        server.Time.Advance(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAsync<FfnDeadlineException>(() => late.WaitAsync(Patience));
        await Assert.ThrowsAsync<TaskCanceledException>(() => gone.WaitAsync(Patience));
        Assert.That(server.Runtime.WaitingTokens, Is.EqualTo(1));
        models.Reading.Set();
        Assert.That(await waits.WaitAsync(Patience), Is.True);
        Assert.That(server.Runtime.WaitingTokens, Is.Zero);

        // A model that somebody held could not be unloaded.
        await models.AssertAnswerAsync(server, "b");
        await models.AssertAnswerAsync(server, "c");
        Assert.That(InMemory(server), Is.EqualTo(new[] { "b", "c" }));
    }

    [Test]
    public async Task More_tokens_than_the_queue_holds_do_not_wait_for_a_model()
    {
        var models = new Models(3);
        await using FfnServer server = await StartAsync(models, room: 2, static options => options.Batching.QueueCapacityTokens = 8);
        models.Reading.Reset();
        Task<bool>[] waiting = [.. Enumerable.Range(0, 8).Select(_ => models.AnswersAsync(server, "a"))];
        FfnQueueFullException full = (await Assert.ThrowsAsync<FfnQueueFullException>(() => models.ForwardAsync(server, "a", default)))!;
        Assert.That(full.RetryAfter, Is.GreaterThan(TimeSpan.Zero));
        models.Reading.Set();
        Assert.That(await Task.WhenAll(waiting).WaitAsync(Patience), Has.All.True);
    }

    [Test]
    public async Task A_model_that_cannot_be_read_again_is_told_and_not_read_by_every_request()
    {
        var models = new Models(3);
        await using FfnServer server = await StartAsync(models, room: 2);
        models.Fails = true;
        int before = models.Reads;
        for (int i = 0; i < 3; i++)
        {
            FfnUnavailableException refused = (await Assert.ThrowsAsync<FfnUnavailableException>(
                () => models.ForwardAsync(server, "a", default)))!;
            Assert.That(refused.Message, Does.Contain("Model 'a'").And.Not.Contain("broken file"));
            Assert.That(refused.InnerException!.Message, Does.Contain("broken file"));
        }

        HealthReportEntry health = await server.HealthAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(models.Reads, Is.EqualTo(before + 1));
            Assert.That(health.Status, Is.EqualTo(HealthStatus.Healthy));
            Assert.That(health.Description, Does.Contain("Model 'a' could not be loaded").And.Contain("broken file"));
        }

        models.Fails = false;
        server.Time.Advance(TimeSpan.FromSeconds(1));
        await models.AssertAnswerAsync(server, "a");
        Assert.That((await server.HealthAsync()).Description, Does.Not.Contain("broken"));
    }

    [Test]
    public async Task Those_that_wait_for_a_model_are_told_when_the_engine_closes()
    {
        var models = new Models(3);
        await using FfnServer server = await StartAsync(models, room: 2);
        models.Reading.Reset();
        Task waits = models.ForwardAsync(server, "a", default);
        Task stops = server.StopAsync();
        await Assert.ThrowsAsync<FfnUnavailableException>(() => waits.WaitAsync(Patience));
        models.Reading.Set();
        await stops.WaitAsync(Patience);
    }

    [Test]
    public async Task A_model_is_loaded_by_name_and_its_layer_is_had_only_while_it_is_there()
    {
        var models = new Models(3);
        await using FfnServer server = await StartAsync(models, room: 2);
        IFfnModels loader = server.Services.GetRequiredService<IFfnModels>();
        Assert.That(() => server.Client.GetLayer("a/0"), Throws.TypeOf<FfnUnavailableException>().With.Message.Contains("LoadAsync"));
        await loader.LoadAsync("a").WaitAsync(Patience);
        Assert.That(server.Client.GetLayer("a/0").Spec.InputWidth, Is.EqualTo(Width));
        Assert.That(InMemory(server), Is.EqualTo(new[] { "a", "c" }));
        await Assert.ThrowsAsync<FfnLayerNotFoundException>(() => loader.LoadAsync("none"));
        await loader.ReloadAsync("b").WaitAsync(Patience);
        Assert.That(InMemory(server), Does.Contain("b"), "reading a model again loads it");
    }

    [Test]
    public async Task Who_must_stay_stays_and_too_little_room_is_refused_by_name()
    {
        var models = new Models(3);
        await using (FfnServer server = await StartAsync(models, room: 2, static options => options.Models["b"].MayUnload = false))
        {
            await models.AssertAnswerAsync(server, "a");
            await models.AssertAnswerAsync(server, "c");
            Assert.That(InMemory(server), Is.EqualTo(new[] { "b", "c" }));
        }

        FfnHostingException refused = (await Assert.ThrowsAsync<FfnHostingException>(async () =>
        {
            await using FfnServer none = await StartAsync(models, room: 1, static options => options.Models["a"].MayUnload = false);
        }))!;
        Assert.That(refused.Message, Does.Contain($"NativeFfn:MaxWeightBytes is {Size}").And.Contain("model 'b'").And.Contain("MayUnload"));
    }

    [Test]
    public void Ranks_keep_all_models()
    {
        var models = new Models(2);
        Exception?[] refused = RankTeam.Try(2, rank =>
        {
            FfnServer server = StartAsync(models, room: 1, options => options.ConfigureEngine(
                engine => engine with { Parallel = "auto", Ranks = new GivenCollective(rank) })).GetAwaiter().GetResult();
            server.DisposeAsync().AsTask().GetAwaiter().GetResult();
        });
        Assert.That(
            refused, Has.All.InstanceOf<FfnHostingException>().With.Message.Contains("MaxWeightBytes").And.Message.Contains("2 ranks"));
    }

    private static Task<FfnServer> StartAsync(Models models, int room, Action<NativeFfnOptions>? configure = null) =>
        FfnServer.StartAsync(options =>
        {
            options.Models.Clear();
            models.AddTo(options);
            options.MaxWeightBytes = room * Size;
            configure?.Invoke(options);
        });

    private static string[] InMemory(FfnServer server) =>
        [.. server.Client.Layers.Where(static layer => layer.IsLoaded).Select(static layer => layer.Model)];

    private static long SizeOfOne()
    {
        (FfnSpec spec, FfnMemoryWeights weights) = FfnServer.ExactLayer(1);
        using FfnEngine engine = TestBackends.Open(BackendKind.Managed, threads: 1);
        using FfnLayer layer = engine.CreateLayer(spec, weights);
        return layer.WeightBytes;
    }

    /// <summary>Models a, b, c… of one layer each, with answers that are whole numbers.</summary>
    private sealed class Models
    {
        private readonly (FfnSpec Spec, FfnMemoryWeights Weights)[] _layers;
        private readonly float[] _input = RandomLayers.IntegerRows(1, Width, 7, 3);
        private readonly float[][] _answers;
        private int _reads;

        public Models(int count)
        {
            _layers = [.. Enumerable.Range(0, count).Select(static i => FfnServer.ExactLayer(60 + i))];
            Names = [.. Enumerable.Range(0, count).Select(static i => ((char)('a' + i)).ToString())];
            using FfnEngine engine = TestBackends.Open(BackendKind.Managed, threads: 1);
            _answers = [.. _layers.Select(made =>
            {
                using FfnLayer layer = engine.CreateLayer(made.Spec, made.Weights);
                float[] output = new float[Width];
                layer.Forward(_input, output);
                return output;
            })];
        }

        public string[] Names { get; }

        /// <summary>Reads wait for it.</summary>
        public ManualResetEventSlim Reading { get; } = new(true);

        public bool Fails { get; set; }

        /// <summary>How often a model was read.</summary>
        public int Reads => Volatile.Read(ref _reads);

        public void AddTo(NativeFfnOptions options)
        {
            for (int i = 0; i < _layers.Length; i++)
            {
                options.AddLayer(Names[i], _layers[i].Spec, new Source(this, _layers[i].Weights));
                options.Models[Names[i]].MayUnload = true;
            }
        }

        public Task ForwardAsync(
            FfnServer server, string model, FfnRequestOptions options, CancellationToken cancellationToken = default) =>
            server.Client.ForwardAsync($"{model}/0", _input, new float[Width], options, cancellationToken).AsTask();

        public async Task<bool> AnswersAsync(FfnServer server, string model)
        {
            float[] output = new float[Width];
            await server.Client.ForwardAsync($"{model}/0", _input, output).AsTask().WaitAsync(Patience);
            return output.AsSpan().SequenceEqual(_answers[Array.IndexOf(Names, model)]);
        }

        public async Task AssertAnswerAsync(FfnServer server, string model) =>
            Assert.That(await AnswersAsync(server, model), Is.True, $"the answer of {model}");

        private sealed class Source(Models models, IFfnWeightSource weights) : IFfnWeightSource
        {
            public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
            {
                if (firstRow == 0 && tensor is { Role: FfnTensorRole.Weight, Stage: 0 })
                {
                    Interlocked.Increment(ref models._reads);
                }

                models.Reading.Wait(Patience);
                if (models.Fails)
                {
                    throw new NotSupportedException("broken file");
                }

                weights.ReadRows(tensor, firstRow, destination);
            }
        }
    }
}
