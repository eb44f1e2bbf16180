using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using NativeFfn.Hosting;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>The trace behind the explorer page, held against the layer's own, and the page's safety.</summary>
public sealed class ExplorerTests
{
    private const double Tolerance = 1e-6;

    private ServerUnderTest _server = null!;

    [OneTimeSetUp]
    public async Task StartAsync() => _server = await ServerUnderTest.StartAsync();

    [OneTimeTearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [TestCase(FfnMode.Ffn)]
    [TestCase(FfnMode.Residual)]
    [TestCase(FfnMode.Block)]
    public async Task A_position_of_given_rows_is_shown_as_the_layer_computes_it(FfnMode mode)
    {
        const int Tokens = 3;
        const int Position = 2;
        float[] rows = ServerUnderTest.Rows(Tokens);
        JsonElement reply = await ComputeAsync(
            $"{{\"layer\": \"model/1\", \"mode\": \"{mode.ToString().ToLowerInvariant()}\", \"position\": {Position}, \"rows\": " +
            $"{JsonSerializer.Serialize(rows.Chunk(ServerUnderTest.Width))}}}");
        var trace = new FfnTrace(_server.Layer.Spec, Tokens);
        float[] output = new float[rows.Length];
        _server.Layer.Inspect(mode, rows, output, trace);
        FfnStageTrace stage = trace.HiddenStages[0];
        JsonElement shown = reply.GetProperty("stages")[0];
        Assert.Multiple(() =>
        {
            AssertRow(reply, "input", rows);
            AssertRow(reply, "output", output);
            AssertRow(shown, "preActivation", stage.PreActivation);
            AssertRow(shown, "activated", stage.Activation);
            AssertRow(shown, "up", stage.Up!);
            AssertRow(shown, "hidden", stage.Hidden);
            Assert.That(reply.TryGetProperty("routing", out _), Is.False);
            Assert.That(reply.TryGetProperty("block", out JsonElement block) ? block.GetString() : null,
                Is.EqualTo(mode == FfnMode.Block ? "x + F(rmsnorm[1e-5](x))" : null));
            Assert.That(reply.TryGetProperty("normalized", out _), Is.EqualTo(mode == FfnMode.Block));
            Assert.That(reply.GetProperty("timing").GetProperty("elapsedMs").GetDouble(), Is.Positive);
            Assert.That(
                reply.GetProperty("timing").GetProperty("steps").EnumerateArray().Select(
                    static step => step.GetProperty("name").GetString()),
                Is.EqualTo(new[] { "gemm", "activation", "residual", "norm", "routing" }));
        });
        if (mode == FfnMode.Block)
        {
            AssertRow(reply, "normalized", trace.Normalized!);
        }

        static void AssertRow(JsonElement parent, string name, float[] all)
        {
            JsonElement row = parent.GetProperty(name);
            float[][] of = [.. all.Chunk(all.Length / Tokens)];
            Assert.That(Numbers(row, "values"), Is.EqualTo(of[Position]).Within(Tolerance), name);
            Assert.That(
                Numbers(row, "rms"),
                Is.EqualTo(of.Select(static values => (float)Math.Sqrt(values.Average(static value => (double)value * value))))
                    .Within(Tolerance), name);
        }
    }

    [Test]
    public async Task The_curve_is_the_activation_over_the_values()
    {
        JsonElement stage = (await ComputeAsync("{\"layer\": \"model/1\", \"random\": {\"tokens\": 1, \"seed\": 3}}"))
            .GetProperty("stages")[0];
        float[] x = Numbers(stage.GetProperty("curve"), "x");
        float[] y = Numbers(stage.GetProperty("curve"), "y");
        float widest = Numbers(stage.GetProperty("preActivation"), "values").Max(Math.Abs);
        Assert.Multiple(() =>
        {
            Assert.That(x, Is.Ordered.Ascending);
            Assert.That(x[^1], Is.GreaterThanOrEqualTo(widest));
            Assert.That(x[0], Is.EqualTo(-x[^1]));
            Assert.That(y, Is.EqualTo(x.Select(static value => (float)(value / (1 + Math.Exp(-value))))).Within(Tolerance));
        });
    }

    [Test]
    public async Task The_same_seed_gives_the_same_rows()
    {
        const string Request = "{\"layer\": \"model/0\", \"position\": 1, \"random\": {\"tokens\": 2, \"seed\": 5}}";
        float[] once = Numbers((await ComputeAsync(Request)).GetProperty("input"), "values");
        float[] again = Numbers((await ComputeAsync(Request)).GetProperty("input"), "values");
        Assert.That(again, Is.EqualTo(once).And.Not.All.Zero);
    }

    [Test]
    public async Task A_model_that_made_room_comes_back_to_be_looked_at()
    {
        const string Request = "{\"layer\": \"model/1\", \"random\": {\"tokens\": 2, \"seed\": 5}}";
        FfnSpec large = FfnSpec.Create(FfnKind.Relu, 64, 1024);
        using FfnEngine engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed });
        using FfnLayer alone = engine.CreateLayer(large, new XavierWeights(large, seed: 1));
        await using ServerUnderTest server = await ServerUnderTest.StartAsync(services => services.Configure<NativeFfnOptions>(options =>
        {
            options.AddLayer("other", large, new XavierWeights(large, seed: 1));
            options.Models["model"].MayUnload = options.Models["other"].MayUnload = true;
            options.MaxWeightBytes = alone.WeightBytes;
        }));
        IFfnModels models = server.App.Services.GetRequiredService<IFfnModels>();
        IFfnClient client = server.App.Services.GetRequiredService<IFfnClient>();
        await models.LoadAsync("other");
        Assert.That(client.Layers.Where(static layer => layer.IsLoaded).Select(static layer => layer.Model), Is.EqualTo(new[] { "other" }));
        using var content = new StringContent(Request, Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await server.Client.PostAsync(new Uri("/api/compute/ffn", UriKind.Relative), content);
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), await answer.Content.ReadAsStringAsync());
        Assert.That(client.Layers.Where(static layer => layer.IsLoaded).Select(static layer => layer.Model), Is.All.EqualTo("model"));
    }

    [TestCase("{", 400, "bad-request")]
    [TestCase("null", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\"}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"colour\": 1}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/9\", \"random\": {\"tokens\": 1, \"seed\": 1}}", 404, "layer-unknown")]
    [TestCase("{\"random\": {\"tokens\": 1, \"seed\": 1}}", 404, "layer-unknown")]
    [TestCase("{\"layer\": \"model/1\", \"mode\": \"x\", \"random\": {\"tokens\": 1, \"seed\": 1}}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"random\": {\"tokens\": 0, \"seed\": 1}}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"random\": {\"tokens\": 65, \"seed\": 1}}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"random\": {\"tokens\": 2147483647, \"seed\": 1}}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"position\": 1, \"random\": {\"tokens\": 1, \"seed\": 1}}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"position\": -1, \"random\": {\"tokens\": 1, \"seed\": 1}}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"rows\": [[1, 2]]}", 400, "bad-rows")]
    [TestCase("{\"layer\": \"model/1\", \"rows\": [null]}", 400, "bad-rows")]
    [TestCase("{\"layer\": \"model/1\", \"rows\": []}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"rows\": [1]}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"rows\": [[[1]]]}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"rows\": {}}", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"rows\": [[1]", 400, "bad-request")]
    [TestCase("{\"layer\": \"model/1\", \"rows\": [[1]], \"random\": {\"tokens\": 1, \"seed\": 1}}", 400, "bad-request")]
    public async Task A_request_that_cannot_be_is_refused(string body, int status, string problem)
    {
        using HttpResponseMessage answer = await PostAsync(body);
        await ServerUnderTest.AssertProblemAsync(answer, status, problem);
    }

    [TestCase("1e39", 400)]
    [TestCase("-1e39", 400)]
    [TestCase("\"1\"", 400)]
    [TestCase("3e38", 200)]
    [TestCase("\"Infinity\"", 200)]
    [TestCase("\"NaN\"", 200)]
    public async Task A_number_beyond_float32_is_refused_as_by_forward(string number, int status)
    {
        string row = $"[{string.Join(',', Enumerable.Repeat("0.5", ServerUnderTest.Width - 1))}, {number}]";
        using HttpResponseMessage answer = await PostAsync($"{{\"layer\": \"model/1\", \"rows\": [{row}]}}");
        Assert.That((int)answer.StatusCode, Is.EqualTo(status), await answer.Content.ReadAsStringAsync());
    }

    [Test]
    public async Task Another_media_type_is_415()
    {
        using HttpResponseMessage answer = await PostAsync("{}", "text/plain");
        await ServerUnderTest.AssertProblemAsync(answer, 415, "media-type");
    }

    private static IEnumerable<string> Pages() =>
        Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "wwwroot")).Select(static file => "/" + Path.GetFileName(file))
            .Prepend("/");

    [TestCaseSource(nameof(Pages))]
    public async Task The_page_allows_nothing_from_elsewhere(string address)
    {
        string type = Path.GetExtension(address) switch
        {
            ".js" => "text/javascript",
            ".css" => "text/css",
            ".svg" => "image/svg+xml",
            _ => "text/html",
        };
        using HttpResponseMessage answer = await _server.Client.GetAsync(new Uri(address, UriKind.Relative));
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        string text = await answer.Content.ReadAsStringAsync();
        Assert.Multiple(() =>
        {
            Assert.That(answer.Content.Headers.ContentType?.MediaType, Is.EqualTo(type));
            Assert.That(
                answer.Headers.GetValues("Content-Security-Policy").Single(), Does.StartWith("default-src 'none'; script-src 'self'"));
            Assert.That(text.Replace("http://www.w3.org/2000/svg", string.Empty, StringComparison.Ordinal), Does.Not.Contain("http:")
                .And.Not.Contain("https:"));
            Assert.That(text, Does.Not.Contain("innerHTML"));
        });
    }

    [Test]
    public async Task Without_the_explorer_neither_page_nor_trace_is_there()
    {
        await using ServerUnderTest server = await ServerUnderTest.StartAsync("--Server:Explorer:Enabled=false");
        using HttpResponseMessage page = await server.Client.GetAsync(new Uri("/", UriKind.Relative));
        await ServerUnderTest.AssertProblemAsync(page, 404, "not-found");
        using var content = new StringContent("{}", Encoding.UTF8, "application/json");
        using HttpResponseMessage trace = await server.Client.PostAsync(new Uri("/api/compute/ffn", UriKind.Relative), content);
        await ServerUnderTest.AssertProblemAsync(trace, 404, "not-found");
    }

    private async Task<JsonElement> ComputeAsync(string body)
    {
        using HttpResponseMessage answer = await PostAsync(body);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), text);
        using JsonDocument reply = JsonDocument.Parse(text);
        return reply.RootElement.Clone();
    }

    private async Task<HttpResponseMessage> PostAsync(string body, string type = "application/json")
    {
        using var content = new StringContent(body, Encoding.UTF8, type);
        return await _server.Client.PostAsync(new Uri("/api/compute/ffn", UriKind.Relative), content);
    }

    private static float[] Numbers(JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(static value => value.GetSingle())];
}
