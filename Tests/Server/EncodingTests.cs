using System.IO.Compression;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Configuration;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>Compressed bodies: decompressed within the limits, or refused, and never taken for rows.</summary>
public sealed class EncodingTests
{
    private const int Limit = 64 * 1024;
    private const string Forward = "/v1/layers/model/1/forward";

    private ServerUnderTest _server = null!;

    [OneTimeSetUp]
    public async Task StartAsync() => _server = await ServerUnderTest.StartAsync($"--Server:MaxRequestBytes={Limit}");

    [OneTimeTearDown]
    public async Task StopAsync() => await _server.DisposeAsync();

    [TestCase("gzip", false)]
    [TestCase("GZip", true)]
    [TestCase("br", false)]
    [TestCase("deflate", false)]
    [TestCase("identity", false)]
    public async Task Compressed_rows_are_the_rows(string encoding, bool chunked)
    {
        float[] rows = ServerUnderTest.Rows(3);
        using HttpResponseMessage answer = await PostAsync(Compress(encoding, Bytes(rows)), encoding, chunked: chunked);
        Assert.That(await ServerUnderTest.ReadRowsAsync(answer), Is.EqualTo(_server.Expected(FfnMode.Ffn, rows)).Within(1e-6));
    }

    [Test]
    public async Task Compressed_json_is_read_by_forward_and_explorer()
    {
        string row = $"[{string.Join(',', Enumerable.Repeat("0.5", ServerUnderTest.Width))}]";
        byte[] forward = Compress("gzip", Encoding.UTF8.GetBytes($"{{\"rows\": [{row}]}}"));
        byte[] compute = Compress("br", Encoding.UTF8.GetBytes($"{{\"layer\": \"model/1\", \"rows\": [{row}]}}"));
        using HttpResponseMessage rows = await PostAsync(forward, "gzip", "application/json");
        using HttpResponseMessage trace = await PostAsync(compute, "br", "application/json", address: "/api/compute/ffn");
        Assert.That(((int)rows.StatusCode, (int)trace.StatusCode), Is.EqualTo((200, 200)));
    }

    // One row of compressed bytes, which would be computed as floats.
    [TestCase("zstd")]
    [TestCase("gzip, gzip")]
    [TestCase("gzip;q=1")]
    public async Task Another_encoding_is_415(string encoding)
    {
        using HttpResponseMessage answer = await PostAsync(Bytes(ServerUnderTest.Rows(1)), encoding);
        Assert.That(
            await ServerUnderTest.AssertProblemAsync(answer, 415, "media-type"), Does.Contain($"'{encoding}'").And.Contain("gzip, br"));
    }

    [TestCase("gzip")]
    [TestCase("br")]
    [TestCase("deflate")]
    public async Task Bytes_that_are_not_what_is_said_are_400(string encoding)
    {
        using HttpResponseMessage answer = await PostAsync(Bytes(ServerUnderTest.Rows(1)), encoding);
        Assert.That(await ServerUnderTest.AssertProblemAsync(answer, 400, "bad-request"), Does.Contain(encoding));
    }

    [Test]
    public async Task A_stream_that_wants_a_dictionary_is_400()
    {
        // The bit 0x20 of the second byte says that a dictionary's checksum follows, which nobody agreed on.
        using HttpResponseMessage answer = await PostAsync([0x78, 0xBB, 1, 2, 3, 4, .. Compress("deflate", new byte[96])[2..]], "deflate");
        Assert.That(await ServerUnderTest.AssertProblemAsync(answer, 400, "bad-request"), Does.Contain("deflate"));
    }

    [TestCase("gzip", Forward, "application/octet-stream")]
    [TestCase("br", Forward, "application/json")]
    [TestCase("deflate", "/api/compute/ffn", "application/json")]
    public async Task What_comes_out_is_bounded(string encoding, string address, string type)
    {
        byte[] compressed = Compress(encoding, Encoding.ASCII.GetBytes(new string(' ', 100 * Limit)));
        Assert.That(compressed, Has.Length.LessThan(Limit));
        using HttpResponseMessage answer = await PostAsync(compressed, encoding, type, address: address);
        await ServerUnderTest.AssertProblemAsync(answer, 413, "body-too-large");
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task What_arrives_is_bounded(bool chunked)
    {
        byte[] noise = new byte[2 * Limit];
        new Random(1).NextBytes(noise);
        using HttpResponseMessage answer = await PostAsync(Compress("gzip", noise), "gzip", chunked: chunked);
        await ServerUnderTest.AssertProblemAsync(answer, 413, "body-too-large");
    }

    [Test]
    public async Task A_body_that_ends_early_is_400_and_not_fewer_rows([Values("gzip", "br", "deflate")] string encoding)
    {
        // Stored as it is, so that whole rows come out before the end is missed.
        byte[] whole = Compress(encoding, Bytes(ServerUnderTest.Rows(64)));
        using HttpResponseMessage answer = await PostAsync(whole[..^3], encoding);
        await ServerUnderTest.AssertProblemAsync(answer, 400, "bad-request");
    }

    // A body that ends too early would otherwise be fewer rows.
    [Test]
    public void The_program_refuses_compressed_bytes_that_end_early()
    {
        string file = Path.Combine(AppContext.BaseDirectory, "NativeFfn.Cli.runtimeconfig.json");
        IConfiguration runtime = new ConfigurationBuilder().AddJsonFile(file).Build();
        Assert.That(runtime["runtimeOptions:configProperties:System.IO.Compression.UseStrictValidation"], Is.EqualTo("True"));
    }

    private async Task<HttpResponseMessage> PostAsync(
        byte[] body, string encoding, string type = "application/octet-stream", bool chunked = false, string address = Forward)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
        request.Content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        request.Headers.TransferEncodingChunked = chunked;
        return await _server.Client.SendAsync(request);
    }

    private static byte[] Bytes(float[] rows) => MemoryMarshal.AsBytes(rows.AsSpan()).ToArray();

    private static byte[] Compress(string encoding, byte[] bytes)
    {
        var compressed = new MemoryStream();
        using (Stream stream = encoding.ToLowerInvariant() switch
        {
            "gzip" => new GZipStream(compressed, CompressionMode.Compress, leaveOpen: true),
            "br" => new BrotliStream(compressed, CompressionMode.Compress, leaveOpen: true),
            "deflate" => new ZLibStream(compressed, CompressionMode.Compress, leaveOpen: true),
            _ => compressed,
        })
        {
            stream.Write(bytes);
            stream.Flush();
            bytes = compressed.ToArray();
        }

        return encoding == "identity" ? bytes : compressed.ToArray();
    }
}
