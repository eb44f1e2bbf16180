using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using NativeFfn.AspNetCore.Http;
using NativeFfn.Server;
using NativeFfn.Server.Explorer;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>
/// What is served where no model is configured, and what the explorer says of a mixture and of inner values that are too many.
/// </summary>
public sealed class SampleModelTests
{
    private const double Tolerance = 1e-6;

    private static readonly string[] Arguments =
    [
        "--backend", "managed", "--urls", "http://127.0.0.1:0", "--grpc-urls", "http://127.0.0.1:0", "--Logging:LogLevel:Default", "None",
        "--Server:MaxRequestBytes", "1048576", "--Server:MaxBufferedBytes", "4194304",
    ];

    private WebApplication _app = null!;
    private HttpClient _client = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _app = ServerApp.Create(Arguments);
        await _app.StartAsync();
        _client = new HttpClient { BaseAddress = new Uri(_app.Urls.Last()) };
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        _client.Dispose();
        await _app.DisposeAsync();
    }

    [Test]
    public async Task One_network_of_each_sort_is_served()
    {
        using JsonDocument list = JsonDocument.Parse(await _client.GetStringAsync(new Uri("/v1/layers", UriKind.Relative)));
        JsonElement[] layers = [.. list.RootElement.GetProperty("layers").EnumerateArray()];
        Assert.That(
            layers.Select(static layer => (layer.GetProperty("name").GetString(), layer.GetProperty("kind").GetString(),
                layer.TryGetProperty("experts", out JsonElement experts) ? experts.GetInt32() : 0)),
            Is.EquivalentTo(new[] { ("gelu/0", "gelu-tanh", 0), ("swiglu/0", "swiglu", 0), ("mixture/0", "swiglu", 8) }));
    }

    [Test]
    public async Task A_mixtures_routing_is_that_of_the_layer()
    {
        const int Tokens = 5;
        const int Position = 3;
        SampleModel sample = SampleModels.All.Single(static sample => sample.Spec.Mixture is not null);
        using JsonDocument reply = JsonDocument.Parse(
            await OkAsync(
                $"{{\"layer\": \"{sample.Name}/0\", \"position\": {Position}, \"random\": {{\"tokens\": {Tokens}, \"seed\": 9}}}}"));
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed });
        using FfnLayer layer = engine.CreateLayer(sample.Spec, sample.Weights);
        var random = new Random(9);
        float[] rows = [.. Enumerable.Range(0, Tokens * sample.Spec.InputWidth).Select(_ => (2f * random.NextSingle()) - 1f)];
        var trace = new FfnTrace(sample.Spec, Tokens);
        layer.Inspect(FfnMode.Ffn, rows, new float[rows.Length], trace);
        JsonElement routing = reply.RootElement.GetProperty("routing");
        JsonElement[][] choices =
            [.. routing.GetProperty("choices").EnumerateArray().Select(static choice => choice.EnumerateArray().ToArray())];
        Assert.Multiple(() =>
        {
            Assert.That(routing.GetProperty("scoring").GetString(), Is.EqualTo("softmax"));
            Assert.That(
                routing.GetProperty("scores").EnumerateArray().Select(static score => score.GetSingle()),
                Is.EqualTo(trace.Routing!.Scores.Chunk(8).ElementAt(Position)).Within(Tolerance));
            Assert.That(choices, Has.Length.EqualTo(Tokens).And.All.Length.EqualTo(2));
            Assert.That(
                choices.SelectMany(static choice => choice).Select(static route => route.GetProperty("expert").GetInt32()),
                Is.EqualTo(trace.Routing.Experts));
            Assert.That(
                choices.SelectMany(static choice => choice).Select(static route => route.GetProperty("weight").GetSingle()),
                Is.EqualTo(trace.Routing.Weights).Within(Tolerance));
            Assert.That(reply.RootElement.GetProperty("stages").GetArrayLength(), Is.Zero);
        });
    }

    [Test]
    public async Task The_code_names_the_rows_the_mode_and_the_weights()
    {
        string code = JsonDocument.Parse(
            await OkAsync("{\"layer\": \"swiglu/0\", \"mode\": \"residual\", \"random\": {\"tokens\": 7, \"seed\": 11}}"))
            .RootElement.GetProperty("code").GetString()!;
        Assert.That(
            code, Does.Contain("const int Tokens = 7;").And.Contain("new Random(11)").And.Contain("ForwardResidual(x, residual: x, y)")
                .And.Contain("seed: 2").And.Contain("FfnKind.SwiGlu").And.Not.Contain("\r"));
    }

    [Test]
    public void What_a_trace_takes_is_known_before_it_is_there()
    {
        foreach (SampleModel sample in SampleModels.All)
        {
            const int Tokens = 3;
            var trace = new FfnTrace(sample.Spec, Tokens);
            long held = trace.HiddenStages.Sum(static stage =>
                (long)stage.PreActivation.Length + stage.Activation.Length
                + (stage.Up is null ? 0 : stage.Up.Length + stage.Hidden.Length))
                + (trace.Normalized?.Length ?? 0) + (trace.Routing?.Scores.Length ?? 0);
            Assert.That(LayerProbe.BytesOf(sample.Spec, Tokens), Is.GreaterThan(held * sizeof(float)), sample.Name);
        }
    }

    [Test]
    public async Task Inner_values_beyond_the_limit_are_refused_and_leave_nothing_counted()
    {
        // 64 positions of a network of 4 · 10⁵ neurons have 10⁸ inner values.
        var wide = FfnSpec.Create(FfnKind.SwiGlu, 4, 400_000);
        await using WebApplication app = ServerApp.Create(
            Arguments, services => services.Configure<NativeFfn.Hosting.NativeFfnOptions>(
                options => options.AddLayer("wide", wide, new XavierWeights(wide, seed: 1))));
        await app.StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Last()) };
        using var content = new StringContent(
            "{\"layer\": \"wide/0\", \"random\": {\"tokens\": 64, \"seed\": 1}}", Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await client.PostAsync(new Uri("/api/compute/ffn", UriKind.Relative), content);
        string detail = await ServerUnderTest.AssertProblemAsync(answer, 400, "bad-request");
        Assert.Multiple(() =>
        {
            Assert.That(detail, Does.Contain("64 rows of 'wide/0'").And.Contain("4194304 bytes").And.Contain("ask for fewer"));
            Assert.That(app.Services.GetRequiredService<RowMemory>().Used, Is.Zero);
        });
    }

    [Test]
    public async Task A_probe_takes_its_share_of_the_buffered_bytes_while_it_runs()
    {
        RowMemory memory = _app.Services.GetRequiredService<RowMemory>();
        const string Request = "{\"layer\": \"gelu/0\", \"random\": {\"tokens\": 24, \"seed\": 1}}";
        using (memory.Reserve(4_194_304 - 100_000))
        {
            using HttpResponseMessage answer = await PostAsync(Request);
            await ServerUnderTest.AssertProblemAsync(answer, 429, "queue-full");
        }

        await OkAsync(Request);
        Assert.That(memory.Used, Is.Zero);
    }

    [Test]
    public void Every_activation_has_its_formula_on_the_page()
    {
        string formulas = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "wwwroot", "formulas.js"));
        Assert.Multiple(() =>
        {
            foreach (Activation activation in Activation.All)
            {
                Assert.That(formulas, Does.Contain($"  '{activation.Name}': {{"), activation.Name);
            }
        });
    }

    private async Task<string> OkAsync(string body)
    {
        using HttpResponseMessage answer = await PostAsync(body);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.That((int)answer.StatusCode, Is.EqualTo(200), text);
        return text;
    }

    private async Task<HttpResponseMessage> PostAsync(string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        return await _client.PostAsync(new Uri("/api/compute/ffn", UriKind.Relative), content);
    }
}
