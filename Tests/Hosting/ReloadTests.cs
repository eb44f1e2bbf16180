using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using NativeFfn.Hosting;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>Models that are replaced, added and removed while requests run.</summary>
public sealed class ReloadTests
{
    private const int Width = 16;
    private const int Reloads = 50;
    private const int Clients = 4;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Test]
    public async Task A_model_is_replaced_50_times_under_load_and_no_request_fails_or_is_wrong()
    {
        var weights = new ChangingWeights();
        await using FfnServer server = await StartAsync(weights, static options => options.Batching.MaxConcurrentBatches = 2);
        long bytes = server.Client.Layers.Sum(static layer => layer.WeightBytes);
        float[] input = RandomLayers.IntegerRows(2, Width, 7, 3);
        float[][] answers = [.. Enumerable.Range(0, 2).Select(version => weights.Answer(version, input))];
        bool ends = false;
        int answered = 0;
        Task[] clients = [.. Enumerable.Range(0, Clients).Select(_ => Task.Run(async () =>
        {
            while (!Volatile.Read(ref ends))
            {
                float[] output = new float[input.Length];
                await server.Client.ForwardAsync("changing/0", input, output);
                Assert.That(answers.Any(answer => answer.AsSpan().SequenceEqual(output)), Is.True, "the answer of one or the other");
                Interlocked.Increment(ref answered);
            }
        }))];
        var old = new List<FfnLayer>();
        for (int reload = 1; reload <= Reloads; reload++)
        {
            old.Add(server.Client.GetLayer("changing/0"));
            weights.Version = reload % 2;
            await Models(server).ReloadAsync("changing").WaitAsync(Patience);
            float[] output = new float[input.Length];
            await server.Client.ForwardAsync("changing/0", input, output);
            Assert.That(output, Is.EqualTo(answers[reload % 2]), "who asks after it gets the new one's");
        }

        Volatile.Write(ref ends, true);
        await Task.WhenAll(clients).WaitAsync(Patience);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(answered, Is.Positive);
            Assert.That(server.Client.Layers.Sum(static layer => layer.WeightBytes), Is.EqualTo(bytes));
            Assert.That(old, Has.All.Matches<FfnLayer>(static layer => IsDisposed(layer!)), "one copy is left");
        }
    }

    [Test]
    public async Task Those_that_wait_are_answered_by_the_model_they_asked_for()
    {
        var weights = new ChangingWeights();
        await using FfnServer server = await StartAsync(weights);
        float[] input = RandomLayers.IntegerRows(1, Width, 7, 3);
        float[][] outputs = [new float[Width], new float[Width]];
        FfnCall held = await server.HoldAsync();
        Task before = server.Client.ForwardAsync("changing/0", input, outputs[0]).AsTask();
        weights.Version = 1;
        FfnLayer first = server.Client.GetLayer("changing/0");
        Task reload = Models(server).ReloadAsync("changing");
        while (server.Client.GetLayer("changing/0") == first)
        {
            await Task.Yield();
        }

        Task after = server.Client.ForwardAsync("changing/0", input, outputs[1]).AsTask();
        Assert.That(reload.IsCompleted, Is.False, "the old one still has a request");
        server.Gate.Open();
        await Task.WhenAll(before, after, reload, held.AssertAnsweredAsync()).WaitAsync(Patience);
        Assert.That(outputs, Is.EqualTo(new[] { weights.Answer(0, input), weights.Answer(1, input) }));
    }

    [Test]
    public async Task A_model_that_cannot_be_loaded_leaves_the_old_one_and_is_told_by_health()
    {
        var weights = new ChangingWeights();
        await using FfnServer server = await StartAsync(weights);
        weights.Fails = true;
        FfnHostingException thrown = (await Assert.ThrowsAsync<FfnHostingException>(() => Models(server).ReloadAsync("changing")))!;
        HealthReportEntry health = await server.HealthAsync();
        await server.Call("changing/0", 1).AssertAnsweredAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(thrown.Message, Does.Contain("Models:changing cannot be loaded: broken"));
            Assert.That(health.Status, Is.EqualTo(HealthStatus.Healthy));
            Assert.That(health.Description, Does.Contain("Model 'changing' could not be replaced: ").And.Contain("broken"));
            await Assert.ThrowsAsync<FfnLayerNotFoundException>(() => Models(server).ReloadAsync("none"));
        }

        weights.Fails = false;
        await Models(server).ReloadAsync("changing");
        Assert.That((await server.HealthAsync()).Description, Is.EqualTo("3 layers on managed."));
    }

    [Test]
    public async Task Changed_options_add_remove_and_replace_models_and_touch_no_other()
    {
        var weights = new ChangingWeights();
        await using FfnServer server = await StartAsync(weights);
        FfnLayer kept = server.Client.GetLayer("m/0");
        FfnLayer gone = server.Client.GetLayer("changing/0");
        var changed = new NativeFfnOptions();
        foreach ((FfnSpec spec, IFfnWeightSource source) in server.Runtime.Options.Models["m"].MadeByCode)
        {
            changed.AddLayer("m", spec, source);
        }

        FfnSpec wide = FfnSpec.Create(FfnKind.Relu, 8 * Width, 8);
        changed.AddLayer("wide", wide, new XavierWeights(wide, 1));
        await server.Runtime.ApplyAsync(changed).WaitAsync(Patience);
        await server.Client.ForwardAsync("wide/0", new float[8 * Width], new float[8 * Width]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(server.Client.Layers.Select(static layer => layer.Name), Is.EqualTo(new[] { "m/0", "m/1", "wide/0" }));
            Assert.That(server.Client.GetLayer("m/0"), Is.SameAs(kept));
            Assert.That(IsDisposed(gone), Is.True);
        }
    }

    [Test]
    public async Task A_mixture_that_is_not_all_in_memory_is_served_from_its_open_checkpoint_and_replaced()
    {
        GoldenCase golden = GoldenCases.Find("mixtral");
        await using FfnServer server = await FfnServer.StartAsync(services => services.AddNativeFfn(FfnServer.Section(
            ("Backend", "managed"), ("MaxResidentExperts", "2"),
            ("Models:moe:Path", golden.Directory), ("Models:moe:Layers", $"{golden.Layer}"))));
        for (int reload = 0; reload < 3; reload++)
        {
            float[] output = new float[golden.Tokens * golden.DModel];
            await server.Client.ForwardAsync(
                $"moe/{golden.Layer}", golden.ReadInput(), output, new FfnRequestOptions(FfnMode.Block));
            Tolerances.AssertClose(
                output, Estimate.Exact(golden.ReadExpected(FfnMode.Block)!), Tolerances.Golden, $"after {reload} reloads");
            await Models(server).ReloadAsync("moe").WaitAsync(Patience);
        }
    }

    private static Task<FfnServer> StartAsync(ChangingWeights weights, Action<NativeFfnOptions>? configure = null) =>
        FfnServer.StartAsync(options =>
        {
            options.AddLayer("changing", ChangingWeights.Spec, weights);
            configure?.Invoke(options);
        });

    private static IFfnModels Models(FfnServer server) => server.Services.GetRequiredService<IFfnModels>();

    private static bool IsDisposed(FfnLayer layer)
    {
        try
        {
            layer.Forward(new float[layer.Spec.InputWidth], new float[layer.Spec.OutputWidth]);
            return false;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    private sealed class ChangingWeights : IFfnWeightSource
    {
        private readonly FfnMemoryWeights[] _versions = [FfnServer.ExactLayer(80).Weights, FfnServer.ExactLayer(81).Weights];

        public static FfnSpec Spec { get; } = FfnServer.ExactLayer(80).Spec;

        public int Version { get; set; }

        public bool Fails { get; set; }

        public void ReadRows(FfnTensor tensor, int firstRow, Span<float> destination)
        {
            if (Fails)
            {
                throw new NotSupportedException("broken");
            }

            ((IFfnWeightSource)_versions[Version]).ReadRows(tensor, firstRow, destination);
        }

        public float[] Answer(int version, float[] input)
        {
            using FfnEngine engine = TestBackends.Open(BackendKind.Managed, threads: 1);
            using FfnLayer layer = engine.CreateLayer(Spec, _versions[version]);
            float[] output = new float[input.Length];
            layer.Forward(input, output);
            return output;
        }
    }
}
