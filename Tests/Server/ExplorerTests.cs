using System.Net;
using System.Text;
using System.Text.Json;
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
            Assert.That(Numbers(reply, "input"), Is.EqualTo(Row(rows)));
            Assert.That(Numbers(reply, "output"), Is.EqualTo(Row(output)).Within(Tolerance));
            Assert.That(Numbers(shown, "preActivation"), Is.EqualTo(Row(stage.PreActivation)).Within(Tolerance));
            Assert.That(Numbers(shown, "activated"), Is.EqualTo(Row(stage.Activation)).Within(Tolerance));
            Assert.That(Numbers(shown, "up"), Is.EqualTo(Row(stage.Up!)).Within(Tolerance));
            Assert.That(Numbers(shown, "hidden"), Is.EqualTo(Row(stage.Hidden)).Within(Tolerance));
            Assert.That(reply.TryGetProperty("normalized", out _), Is.EqualTo(mode == FfnMode.Block));
            Assert.That(reply.GetProperty("timing").GetProperty("elapsedMs").GetDouble(), Is.Positive);
            Assert.That(
                reply.GetProperty("timing").GetProperty("steps").EnumerateArray().Select(
                    static step => step.GetProperty("name").GetString()),
                Is.EqualTo(new[] { "gemm", "activation", "residual", "norm", "routing" }));
        });
        if (mode == FfnMode.Block)
        {
            Assert.That(Numbers(reply, "normalized"), Is.EqualTo(Row(trace.Normalized!)).Within(Tolerance));
        }

        static float[] Row(float[] values) => values[(Position * values.Length / Tokens)..];
    }

    [Test]
    public async Task The_curve_is_the_activation_over_the_values()
    {
        JsonElement stage = (await ComputeAsync("{\"layer\": \"model/1\", \"random\": {\"tokens\": 1, \"seed\": 3}}"))
            .GetProperty("stages")[0];
        float[] x = Numbers(stage.GetProperty("curve"), "x");
        float[] y = Numbers(stage.GetProperty("curve"), "y");
        float widest = Numbers(stage, "preActivation").Max(Math.Abs);
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
        float[] once = Numbers(await ComputeAsync(Request), "input");
        float[] again = Numbers(await ComputeAsync(Request), "input");
        Assert.That(again, Is.EqualTo(once).And.Not.All.Zero);
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

    [TestCase("/", "text/html")]
    [TestCase("/explorer.js", "text/javascript")]
    [TestCase("/bars.js", "text/javascript")]
    [TestCase("/curve.js", "text/javascript")]
    [TestCase("/format.js", "text/javascript")]
    [TestCase("/explorer.css", "text/css")]
    [TestCase("/icon.svg", "image/svg+xml")]
    public async Task The_page_allows_nothing_from_elsewhere(string address, string type)
    {
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
