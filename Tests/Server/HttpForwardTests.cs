using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using NativeFfn.Load.Wire;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>Forwards over HTTP: the right answers, and the right status for everything that is no forward.</summary>
public sealed class HttpForwardTests
{
    private const double Tolerance = 1e-6;
    private const int Limit = 64 * 1024;

    private ServerUnderTest _server = null!;

    [OneTimeSetUp]
    public async Task StartAsync() => _server = await ServerUnderTest.StartAsync($"--Server:MaxRequestBytes={Limit}");

    [OneTimeTearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [TestCase("", FfnMode.Ffn)]
    [TestCase("?mode=ffn", FfnMode.Ffn)]
    [TestCase("?mode=residual", FfnMode.Residual)]
    [TestCase("?mode=block&deadline=60", FfnMode.Block)]
    [TestCase("?priority=high&mode=residual", FfnMode.Residual)]
    public async Task Binary_rows_come_back_as_the_layer_gives_them(string query, FfnMode mode)
    {
        float[] rows = ServerUnderTest.Rows(5);
        using HttpResponseMessage answer = await _server.PostAsync(rows, query);
        Assert.That(await ServerUnderTest.ReadRowsAsync(answer), Is.EqualTo(_server.Expected(mode, rows)).Within(Tolerance));
    }

    [Test]
    public async Task A_chunked_body_and_many_requests_at_once_are_answered_each_its_own()
    {
        await Task.WhenAll(Enumerable.Range(1, 40).Select(async seed =>
        {
            float[] rows = ServerUnderTest.Rows(1 + (seed % 8), seed);
            byte[] bytes = new byte[rows.Length * sizeof(float)];
            Buffer.BlockCopy(rows, 0, bytes, 0, bytes.Length);
            using var content = new StreamContent(new MemoryStream(bytes));
            content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/layers/model/1/forward") { Content = content };
            request.Headers.TransferEncodingChunked = seed % 2 == 0;
            using HttpResponseMessage answer = await _server.Client.SendAsync(request);
            Assert.That(await ServerUnderTest.ReadRowsAsync(answer), Is.EqualTo(_server.Expected(FfnMode.Ffn, rows)).Within(Tolerance));
        }));
    }

    [Test]
    public async Task No_rows_are_refused()
    {
        using HttpResponseMessage binary = await _server.PostAsync(Array.Empty<float>());
        Assert.That(await ServerUnderTest.AssertProblemAsync(binary, 400, "bad-rows"), Does.Contain("at least one row"));
        using HttpResponseMessage json = await PostJsonAsync("{\"rows\": []}");
        Assert.That(await ServerUnderTest.AssertProblemAsync(json, 400, "bad-rows"), Does.Contain("at least one row"));
    }

    [Test]
    public async Task Json_rows_come_back_as_json()
    {
        float[] rows = ServerUnderTest.Rows(2);
        using HttpResponseMessage answer = await PostJsonAsync(
            "{\"rows\": " + JsonSerializer.Serialize(rows.Chunk(ServerUnderTest.Width)) + "}", "?mode=block");
        string text = await answer.Content.ReadAsStringAsync();
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), text);
        using JsonDocument body = JsonDocument.Parse(text);
        float[] actual = [.. body.RootElement.GetProperty("rows").EnumerateArray().SelectMany(static row => row.EnumerateArray()).Select(
            static value => value.GetSingle())];
        Assert.That(actual, Is.EqualTo(_server.Expected(FfnMode.Block, rows)).Within(Tolerance));
    }

    [Test]
    public async Task A_nan_stays_in_its_row()
    {
        float[] rows = ServerUnderTest.Rows(3);
        rows[ServerUnderTest.Width + 2] = float.NaN;
        using HttpResponseMessage answer = await _server.PostAsync(rows);
        float[] actual = await ServerUnderTest.ReadRowsAsync(answer);
        float[] expected = _server.Expected(FfnMode.Ffn, rows);
        Assert.Multiple(() =>
        {
            Assert.That(actual[..ServerUnderTest.Width], Is.EqualTo(expected[..ServerUnderTest.Width]).Within(Tolerance));
            Assert.That(actual[ServerUnderTest.Width..(2 * ServerUnderTest.Width)], Has.All.NaN);
            Assert.That(actual[(2 * ServerUnderTest.Width)..], Is.EqualTo(expected[(2 * ServerUnderTest.Width)..]).Within(Tolerance));
        });
    }

    [Test]
    public async Task Json_names_the_numbers_that_it_does_not_have()
    {
        string row = "[" + string.Join(", ", Enumerable.Repeat("\"NaN\"", ServerUnderTest.Width)) + "]";
        using HttpResponseMessage answer = await PostJsonAsync($"{{\"rows\": [{row}]}}");
        Assert.That(await answer.Content.ReadAsStringAsync(), Is.EqualTo(
            $"{{\"rows\":[{row.Replace(" ", string.Empty, StringComparison.Ordinal)}]}}"));
    }

    [TestCase(1)]
    [TestCase((ServerUnderTest.Width * 4) + 3)]
    [TestCase(ServerUnderTest.Width * 2)]
    public async Task Bytes_that_are_no_whole_rows_are_refused(int bytes)
    {
        using HttpResponseMessage answer = await _server.PostAsync(new byte[bytes]);
        string detail = await ServerUnderTest.AssertProblemAsync(answer, 400, "bad-rows");
        Assert.That(detail, Does.Contain($"{bytes} bytes").And.Contain("model/1"));
    }

    [TestCase("{\"rows\": [[1, 2]]}", "bad-rows")]
    [TestCase("{\"rows\": [[1, 2", "bad-request")]
    [TestCase("{\"rows\": [[1e999]]}", "bad-request")]
    [TestCase("{\"rows\": [[\"many\"]]}", "bad-request")]
    [TestCase("{\"rows\": [[[]]]}", "bad-request")]
    [TestCase("{\"rows\": 1}", "bad-request")]
    [TestCase("{\"input\": []}", "bad-request")]
    [TestCase("{\"rows\": []} x", "bad-request")]
    [TestCase("{\"rows\": [], \"rows\": []}", "bad-request")]
    [TestCase("[]", "bad-request")]
    [TestCase("", "bad-request")]
    public async Task Json_that_is_no_rows_is_refused(string body, string problem)
    {
        using HttpResponseMessage answer = await PostJsonAsync(body);
        await ServerUnderTest.AssertProblemAsync(answer, 400, problem);
    }

    [Test]
    public async Task A_row_that_is_too_wide_in_json_is_refused()
    {
        string row = string.Join(", ", Enumerable.Repeat("0", ServerUnderTest.Width + 1));
        using HttpResponseMessage answer = await PostJsonAsync($"{{\"rows\": [[{row}]]}}");
        Assert.That(await ServerUnderTest.AssertProblemAsync(answer, 400, "bad-rows"), Does.Contain("Row 0"));
    }

    [TestCase("?mode=fnf")]
    [TestCase("?mode=")]
    [TestCase("?priority=urgent")]
    [TestCase("?deadline=0")]
    [TestCase("?deadline=-1")]
    [TestCase("?deadline=NaN")]
    [TestCase("?deadline=1e9")]
    [TestCase("?dedline=1")]
    public async Task A_parameter_that_is_not_known_is_refused(string query)
    {
        using HttpResponseMessage answer = await _server.PostAsync(ServerUnderTest.Rows(1), query);
        await ServerUnderTest.AssertProblemAsync(answer, 400, "bad-request");
    }

    [TestCase("model/2")]
    [TestCase("model/01")]
    [TestCase("other/0")]
    [TestCase("model/-1")]
    public async Task An_unknown_layer_is_not_found(string layer)
    {
        using HttpResponseMessage answer = await _server.PostAsync(ServerUnderTest.Rows(1), layer: layer);
        Assert.That(await ServerUnderTest.AssertProblemAsync(answer, 404, "layer-unknown"), Does.Contain(layer));
    }

    [Test]
    public async Task A_layer_name_of_any_length_is_not_found()
    {
        using HttpResponseMessage answer = await _server.PostAsync(ServerUnderTest.Rows(1), layer: new string('a', 2000) + "/0");
        await ServerUnderTest.AssertProblemAsync(answer, 404, "layer-unknown");
    }

    [Test]
    public async Task Unknown_addresses_methods_and_media_types_have_their_status()
    {
        using HttpResponseMessage address = await _server.Client.GetAsync(new Uri("/v2", UriKind.Relative));
        await ServerUnderTest.AssertProblemAsync(address, 404, "not-found");
        using HttpResponseMessage method = await _server.Client.GetAsync(new Uri("/v1/layers/model/1/forward", UriKind.Relative));
        await ServerUnderTest.AssertProblemAsync(method, 405, "method");
        Assert.That(method.Content.Headers.Allow, Is.EqualTo(new[] { "POST" }));
        foreach ((string path, string allowed) in new[]
        {
            ("/v1/layers", "GET"), ("/v1/layers/model/1/forward", "POST"), ("/api/compute/ffn", "POST"),
            ("/nativeffn.v1.FeedForward/Forward", "POST"), ("/v1/models/model/reload", "POST"), ("/openapi/v1.json", "GET"),
            ("/metrics", "GET, HEAD"), ("/healthz/live", "GET, HEAD"), ("/", "GET, HEAD"), ("/explorer.js", "GET, HEAD"),
        })
        {
            foreach (HttpMethod other in new[] { HttpMethod.Head, HttpMethod.Options, HttpMethod.Put, HttpMethod.Delete, HttpMethod.Get })
            {
                using var request = new HttpRequestMessage(other, path);
                using HttpResponseMessage answer = await _server.Client.SendAsync(request);
                bool isAllowed = allowed.Split(", ").Contains(other.Method);
                Assert.That((int)answer.StatusCode, Is.EqualTo(isAllowed ? 200 : 405), $"{other} {path}");
                Assert.That(answer.Content.Headers.Allow, Is.EqualTo(isAllowed ? [] : allowed.Split(", ")), $"{other} {path}");
            }
        }

        using HttpResponseMessage type = await _server.PostAsync([0], type: "text/plain");
        await ServerUnderTest.AssertProblemAsync(type, 415, "media-type");
    }

    [TestCase("2147483648")]
    [TestCase("9223372036854775807")]
    public async Task A_body_is_refused_by_its_announced_length_before_it_comes(string length)
    {
        using HttpConnection connection = await HttpConnection.OpenAsync(_server.Address.Port);
        Answer answer = await connection.SendAsync(Encoding.ASCII.GetBytes(
            "POST /v1/layers/model/1/forward HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
            $"{length}\r\n\r\n"));
        Assert.That(answer.Status, Is.EqualTo(413));
        Assert.That(Encoding.UTF8.GetString(answer.Body.Span), Does.Contain("body-too-large"));
    }

    [Test]
    public async Task A_chunked_body_is_refused_as_soon_as_it_is_too_large()
    {
        using var content = new StreamContent(new MemoryStream(new byte[Limit + 1]));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/layers/model/1/forward") { Content = content };
        request.Headers.TransferEncodingChunked = true;
        using HttpResponseMessage answer = await _server.Client.SendAsync(request);
        await ServerUnderTest.AssertProblemAsync(answer, 413, "body-too-large");
    }

    [Test]
    public async Task A_body_of_exactly_the_limit_is_taken()
    {
        float[] rows = ServerUnderTest.Rows(Limit / (ServerUnderTest.Width * sizeof(float)));
        using HttpResponseMessage answer = await _server.PostAsync(rows);
        Assert.That(await ServerUnderTest.ReadRowsAsync(answer), Has.Length.EqualTo(rows.Length));
    }

    [Test]
    public async Task The_layers_are_listed()
    {
        using JsonDocument list = JsonDocument.Parse(await _server.Client.GetStringAsync(new Uri("/v1/layers", UriKind.Relative)));
        JsonElement[] layers = [.. list.RootElement.GetProperty("layers").EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(layers.Select(static layer => layer.GetProperty("name").GetString()), Is.EqualTo(new[] { "model/0", "model/1" }));
            Assert.That(layers[1].GetProperty("kind").GetString(), Is.EqualTo("swiglu"));
            Assert.That(layers[1].GetProperty("inputWidth").GetInt32(), Is.EqualTo(ServerUnderTest.Width));
            Assert.That(layers[1].GetProperty("hiddenWidths")[0].GetInt32(), Is.EqualTo(_server.Layer.Spec.DFf));
            Assert.That(layers[1].GetProperty("modes").EnumerateArray().Select(static mode => mode.GetString()), Is.EqualTo(
                new[] { "ffn", "residual", "block" }));
            Assert.That(layers[1].GetProperty("backend").GetString(), Is.EqualTo("managed"));
            Assert.That(layers[1].GetProperty("backendVersion").GetString(), Is.EqualTo(_server.Layer.Engine.Backend.Version));
            Assert.That(layers[1].GetProperty("threads").GetInt32(), Is.EqualTo(_server.Layer.Engine.Backend.Threads));
            Assert.That(layers[1].GetProperty("precision").GetString(), Is.EqualTo("auto"));
            Assert.That(layers[1].GetProperty("encodings")[0].GetString(), Is.EqualTo("f32"));
            Assert.That(layers[1].TryGetProperty("experts", out _), Is.False, "a dense layer");
        });
    }

    private Task<HttpResponseMessage> PostJsonAsync(string body, string query = "") =>
        _server.PostAsync(Encoding.UTF8.GetBytes(body), query, type: "application/json");
}
