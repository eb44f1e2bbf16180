using NativeFfn.Hosting;
using NativeFfn.Hosting.Batching;
using NativeFfn.Hosting.Serving;
using NativeFfn.Tests.Support;
using NUnit.Framework;

namespace NativeFfn.Tests.Hosting;

/// <summary>Answers on every backend: those of the layer itself, whoever else asks.</summary>
public sealed class ClientTests : RealBackendTests
{
    private const int Clients = 16;
    private const int RequestsOfClient = 60;

    public ClientTests(BackendKind backend)
        : base(backend)
    {
    }

    [Test]
    public async Task Many_clients_at_once_each_get_their_own_answers([Values] bool batching, [Values] bool invariant)
    {
        await using FfnServer server = await FfnServer.StartAsync(
            options =>
            {
                options.Batching.Enabled = batching;
                options.Batching.BatchInvariant = invariant;
                options.Batching.QueueCapacityTokens = Clients * 12;
            },
            Backend);
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(async () =>
        {
            var random = new Random(client);
            for (int i = 0; i < RequestsOfClient; i++)
            {
                FfnMode mode = (FfnMode)random.Next(3);
                await server.Call($"m/{random.Next(2)}", random.Next(1, 12), (1000 * client) + i, mode).AssertAnsweredAsync();
            }
        })));
    }

    [Test]
    public async Task Merged_requests_have_the_oracles_answers([Values] FfnMode mode)
    {
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 48, 130).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
        FfnMemoryWeights weights = RandomLayers.Gaussian(spec, 90);
        await using FfnServer server = await FfnServer.StartAsync(options => options.AddLayer("o", spec, weights), Backend);
        FfnCall held = await server.HoldAsync();
        float[][] inputs = [.. Enumerable.Range(1, 3).Select(tokens => RandomLayers.Rows(tokens, spec.DModel, 90 + tokens))];
        float[][] outputs = Array.ConvertAll(inputs, static input => new float[input.Length]);
        Task[] tasks =
            [.. inputs.Select((input, i) => server.Client.ForwardAsync("o/0", input, outputs[i], new FfnRequestOptions(mode)).AsTask())];
        server.Gate.Open();
        await Task.WhenAll(tasks.Append(held.AssertAnsweredAsync()));
        Assert.That(server.Gate.Rows, Is.EqualTo(new[] { 6 }));
        for (int i = 0; i < inputs.Length; i++)
        {
            Tolerances.AssertClose(outputs[i], Oracle.Run(spec, weights, mode, inputs[i]).Output, Tolerances.Of(spec), $"request {i}");
        }
    }

    [Test]
    public async Task The_same_bits_in_any_company_where_that_is_asked_for([Values] FfnMode mode, [Values(5, 64)] int batchTokens)
    {
        // Large enough to be cut for two threads, and with widths that no tile divides by.
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 195, 707).WithNorms(new NormSpec(NormKind.Rms, 1e-5f));
        await using FfnServer server = await FfnServer.StartAsync(
            options =>
            {
                options.AddLayer("i", spec, RandomLayers.Gaussian(spec, 91));
                options.Batching.BatchInvariant = true;
                options.Batching.MaxBatchTokens = batchTokens;
                options.Batching.QueueCapacityTokens = 1024;
            },
            Backend);
        float[] rows = RandomLayers.Rows(7, spec.DModel, 92);
        float[] alone = await SendAsync(rows);
        float[][] rowAlone = new float[7][];
        for (int row = 0; row < rowAlone.Length; row++)
        {
            rowAlone[row] = await SendRowAsync(row);
        }

        // Every row as a request of its own, each in a different place of one batch, between others of all sizes.
        FfnCall held = await server.HoldAsync();
        var own = new List<(int Row, Task<float[]> Answer)>();
        var others = new List<Task>();
        for (int i = 0; i < 40; i++)
        {
            int row = i % 7;
            own.Add((row, SendRowAsync(row)));
            others.Add(SendAsync(RandomLayers.Rows(1 + (i % 3), spec.DModel, 100 + i)));
        }

        others.Add(SendAsync(RandomLayers.Rows(3 * batchTokens, spec.DModel, 99)));
        Task<float[]> whole = SendAsync(rows);
        server.Gate.Open();
        await Task.WhenAll(others.Append(held.AssertAnsweredAsync()));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(await whole, Is.EqualTo(alone), "the same rows among others");
            foreach ((int row, Task<float[]> answer) in own)
            {
                Assert.That(await answer, Is.EqualTo(rowAlone[row]), $"row {row} alone among others");
            }
        }

        // MKL cuts 5 rows into unequal parts, and on some processors sums these differently: requests then run as they are.
        bool shares = RowsCanShare(server, batchTokens);
        Assert.That(shares, Is.True.Or.EqualTo(Backend != BackendKind.Mkl || batchTokens == 64));
        if (!shares)
        {
            Assert.That(server.Gate.Rows.Count(), Is.EqualTo(own.Count + others.Count + 1));
            return;
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(rowAlone.SelectMany(static row => row), Is.EqualTo(alone), "each row alone as among the seven");
            Assert.That(server.Gate.Rows, Has.All.EqualTo(batchTokens));
        }

        Task<float[]> SendRowAsync(int row) => SendAsync(rows.AsMemory(row * spec.DModel, spec.DModel));

        async Task<float[]> SendAsync(ReadOnlyMemory<float> input)
        {
            float[] output = new float[input.Length];
            await server.Client.ForwardAsync("i/0", input, output, new FfnRequestOptions(mode));
            return output;
        }
    }

    [Test]
    public async Task Where_a_rows_place_matters_requests_run_alone()
    {
        // So narrow that it is cut by rows, three and four of the seven: MKL sums these differently.
        const int batchTokens = 7;
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 97, 918);
        await using FfnServer server = await FfnServer.StartAsync(
            options =>
            {
                options.AddLayer("i", spec, new XavierWeights(spec, 1));
                options.Batching.BatchInvariant = true;
                options.Batching.MaxBatchTokens = batchTokens;
            },
            Backend);
        float[] rows = RandomLayers.Rows(2, spec.DModel, 95);
        float[] alone = new float[rows.Length];
        await server.Client.ForwardAsync("i/0", rows, alone);

        FfnCall held = await server.HoldAsync();
        float[][] answers = [.. Enumerable.Range(0, 6).Select(_ => new float[rows.Length])];
        Task[] tasks = [.. answers.SelectMany((answer, i) => new[]
        {
            server.Client.ForwardAsync("i/0", rows, answer).AsTask(),
            server.Client.ForwardAsync("i/0", new float[(1 + (i % 3)) * spec.DModel], new float[(1 + (i % 3)) * spec.DModel]).AsTask(),
        })];
        server.Gate.Open();
        await Task.WhenAll(tasks.Append(held.AssertAnsweredAsync()));
        using (Assert.EnterMultipleScope())
        {
            bool shares = RowsCanShare(server, batchTokens);
            Assert.That(answers, Has.All.EqualTo(alone));
            Assert.That(server.Gate.Rows.Count(), shares ? Is.LessThan(tasks.Length) : Is.EqualTo(tasks.Length));
            Assert.That(shares, Is.True.Or.EqualTo(Backend != BackendKind.Mkl), "the managed kernels treat all places alike");
        }
    }

    [Test]
    public async Task A_mixtures_answers_have_the_same_bits_in_any_company([Values] FfnMode mode)
    {
        // Neighbours are sent to the same experts, which then have as many rows as there are neighbours.
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, 195, 307).WithNorms(new NormSpec(NormKind.Rms, 1e-5f)).WithExperts(
            new MixtureSpec(4, 2));
        await using FfnServer server = await FfnServer.StartAsync(
            options =>
            {
                options.AddLayer("e", spec, RandomLayers.Gaussian(spec, 96));
                options.Batching.BatchInvariant = true;
                options.Batching.MaxBatchTokens = 32;
                options.Batching.QueueCapacityTokens = 1024;
            },
            Backend);
        float[] rows = RandomLayers.Rows(2, spec.DModel, 97);
        float[] alone = await SendAsync(rows);
        foreach (int neighbours in (int[])[1, 5, 14, 30])
        {
            FfnCall held = await server.HoldAsync();
            Task<float[]> answer = SendAsync(rows);
            Task others = Task.WhenAll(Enumerable.Range(0, neighbours).Select(i => SendAsync(RandomLayers.Rows(1, spec.DModel, 100 + i))));
            server.Gate.Open();
            await Task.WhenAll(others, held.AssertAnsweredAsync());
            using (Assert.EnterMultipleScope())
            {
                Assert.That(await answer, Is.EqualTo(alone), $"among {neighbours}");
                Assert.That(
                    server.Gate.Rows,
                    Is.EqualTo(Backend == BackendKind.Managed ? [32] : (int[])[2, .. Enumerable.Repeat(1, neighbours)]));
            }
        }

        async Task<float[]> SendAsync(float[] input)
        {
            float[] output = new float[input.Length];
            await server.Client.ForwardAsync("e/0", input, output, new FfnRequestOptions(mode));
            return output;
        }
    }

    [Test]
    public async Task A_checkpoint_is_served_by_its_layers()
    {
        GoldenCase golden = GoldenCases.Find("llama");
        await using FfnServer server = await FfnServer.StartAsync(services => services.AddNativeFfn(FfnServer.Section(
            ("Backend", Names<BackendKind>.Of(Backend)),
            ("Models:llama:Path", golden.Directory), ("Models:llama:Layers", $"{golden.Layer}"))));
        FfnLayerInfo info = server.Client.Layers.Single();
        float[] output = new float[golden.Tokens * golden.DModel];
        await server.Client.ForwardAsync($"llama/{golden.Layer}", golden.ReadInput(), output, new FfnRequestOptions(FfnMode.Block));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(output, Is.EqualTo(golden.ReadExpected(FfnMode.Block)!).Within(1e-5));
            Assert.That((info.Name, info.Model, info.Index), Is.EqualTo(($"llama/{golden.Layer}", "llama", golden.Layer)));
            Assert.That(info.WeightBytes, Is.GreaterThanOrEqualTo(info.Spec.ParameterCount * sizeof(float)));
            Assert.That(server.Client.GetLayer($"{golden.Layer}").Spec, Is.SameAs(info.Spec));
        }
    }

    private static bool RowsCanShare(FfnServer server, int batchTokens) =>
        InvarianceCheck.RowsCanShare(server.Client.GetLayer("i/0"), batchTokens, LayerForwards.Run);
}
