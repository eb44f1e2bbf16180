using System.Net.Http.Headers;
using System.Text;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>JSON whose text is no text: the client's fault, at every address that takes JSON.</summary>
public sealed class JsonTextTests
{
    private const string Forward = "/v1/layers/model/1/forward";
    private const string Compute = "/api/compute/ffn";

    private ServerUnderTest _server = null!;

    [OneTimeSetUp]
    public async Task StartAsync() => _server = await ServerUnderTest.StartAsync();

    [OneTimeTearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [TestCase(Forward, "{\"rows\": [[\"\\ud800\", 2]]}")]
    [TestCase(Forward, "{\"\\udc00\": 1}")]
    [TestCase(Forward, "{\"rows\\ud800\": 1}")]
    [TestCase(Forward, "{\"\u00FF\": 1}")]
    [TestCase(Forward, "{\"rows\": [[\"\u00FF\"]]}")]
    [TestCase(Compute, "{\"layer\": \"\\ud800\"}")]
    [TestCase(Compute, "{\"\\ud800\": 1}")]
    [TestCase(Compute, "{\"layer\": \"\u00FF\"}")]
    [TestCase(Compute, "{\"layer\": \"model/1\", \"rows\": [[\"\\ud800\"]]}")]
    public async Task Half_a_surrogate_pair_and_bytes_that_are_no_utf8_are_400(string address, string json)
    {
        using HttpResponseMessage answer = await PostAsync(address, Encoding.Latin1.GetBytes(json));
        await ServerUnderTest.AssertProblemAsync(answer, 400, "bad-request");
    }

    [Test]
    public async Task Wider_encodings_are_415(
        [Values(Forward, Compute)] string address, [Values] bool mark, [Values("utf-16", "utf-16BE")] string name)
    {
        var encoding = Encoding.GetEncoding(name);
        byte[] body = [.. mark ? encoding.GetPreamble() : [], .. encoding.GetBytes("{\"rows\": []}")];
        using HttpResponseMessage answer = await PostAsync(address, body);
        await ServerUnderTest.AssertProblemAsync(answer, 415, "media-type");
        using HttpResponseMessage told = await PostAsync(address, "{}"u8.ToArray(), name);
        await ServerUnderTest.AssertProblemAsync(told, 415, "media-type");
    }

    [TestCase("utf-8")]
    [TestCase("UTF-8")]
    [TestCase("\"utf-8\"")]
    public async Task Utf8_is_read_with_and_without_a_byte_order_mark(string charset)
    {
        string row = string.Join(", ", Enumerable.Repeat("0.5", ServerUnderTest.Width));
        byte[] body = Encoding.UTF8.GetBytes($"\uFEFF{{\"rows\": [[{row}]]}}");
        using HttpResponseMessage marked = await PostAsync(Forward, body, charset);
        using HttpResponseMessage plain = await PostAsync(Forward, body[3..], charset);
        Assert.That(((int)marked.StatusCode, (int)plain.StatusCode), Is.EqualTo((200, 200)));
    }

    private Task<HttpResponseMessage> PostAsync(string address, byte[] body, string? charset = null)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(
            "application/json" + (charset is null ? string.Empty : $"; charset={charset}"));
        return _server.Client.PostAsync(new Uri(address, UriKind.Relative), content);
    }
}
