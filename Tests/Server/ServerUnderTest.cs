using System.Net;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using NativeFfn.Checkpoints;
using NativeFfn.Server;
using NativeFfn.Tests.Cli;
using NUnit.Framework;

namespace NativeFfn.Tests.Server;

/// <summary>The real server on free ports of the loopback address, with a small checkpoint, and the same layers without a server.</summary>
internal sealed class ServerUnderTest : IAsyncDisposable
{
    public const int Width = 24;
    private const string Binary = "application/octet-stream";

    private readonly CommandFolder _folder;
    private readonly FfnEngine _engine;
    private readonly WebApplication _app;

    private ServerUnderTest(CommandFolder folder, WebApplication app)
    {
        _folder = folder;
        _app = app;
        _engine = FfnEngine.Create(new FfnEngineOptions { Backend = BackendKind.Managed });
        using FfnCheckpoint checkpoint = FfnCheckpoint.Open(folder["model"]);
        Layer = _engine.LoadLayer(checkpoint, 1);

        // Kestrel starts endpoints in the order of their names: Grpc, Http.
        GrpcAddress = new Uri(app.Urls.First());
        Address = new Uri(app.Urls.Last());
        Client = new HttpClient { BaseAddress = Address };
    }

    /// <summary>The layer <c>model/1</c>, opened apart from the server.</summary>
    public FfnLayer Layer { get; }

    public Uri Address { get; }

    public Uri GrpcAddress { get; }

    public HttpClient Client { get; }

    public WebApplication App => _app;

    public static Task<ServerUnderTest> StartAsync(params string[] arguments) => StartAsync(static _ => { }, arguments);

    public static async Task<ServerUnderTest> StartAsync(Action<IServiceCollection> configure, params string[] arguments)
    {
        var folder = new CommandFolder();
        try
        {
            WebApplication app = ServerApp.Create(
                [
                    "--model", folder.Checkpoint(), "--backend", "managed", "--urls", "http://127.0.0.1:0", "--grpc-urls",
                    "http://127.0.0.1:0",
                    "--Logging:LogLevel:Default", "None", .. arguments,
                ],
                configure);
            await app.StartAsync();
            return new ServerUnderTest(folder, app);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Rows with a seed.</summary>
    public static float[] Rows(int tokens, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, tokens * Width).Select(_ => (2f * random.NextSingle()) - 1f)];
    }

    /// <summary>What the library answers without a server.</summary>
    public float[] Expected(FfnMode mode, float[] rows)
    {
        float[] output = new float[rows.Length];
        Layer.Inspect(mode, rows, output);
        return output;
    }

    /// <summary>Posts rows as little-endian float32.</summary>
    public Task<HttpResponseMessage> PostAsync(float[] rows, string query = "", string layer = "model/1") =>
        PostAsync(MemoryMarshal.AsBytes(rows.AsSpan()).ToArray(), query, layer);

    /// <summary>Posts bytes.</summary>
    public Task<HttpResponseMessage> PostAsync(byte[] body, string query = "", string layer = "model/1", string type = Binary)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue(type);
        return Client.PostAsync(new Uri($"/v1/layers/{layer}/forward{query}", UriKind.Relative), content);
    }

    /// <summary>The rows of a binary answer.</summary>
    public static async Task<float[]> ReadRowsAsync(HttpResponseMessage answer)
    {
        byte[] body = await answer.Content.ReadAsByteArrayAsync();
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.OK), System.Text.Encoding.UTF8.GetString(body));
        Assert.That(answer.Content.Headers.ContentType?.MediaType, Is.EqualTo(Binary));
        return MemoryMarshal.Cast<byte, float>(body).ToArray();
    }

    /// <summary>Fails unless an answer is a problem of RFC 9457 with a status and a name; gives its detail.</summary>
    public static async Task<string> AssertProblemAsync(HttpResponseMessage answer, int status, string name)
    {
        string body = await answer.Content.ReadAsStringAsync();
        Assert.That((int)answer.StatusCode, Is.EqualTo(status), body);
        Assert.That(answer.Content.Headers.ContentType?.MediaType, Is.EqualTo("application/problem+json"));
        using JsonDocument problem = JsonDocument.Parse(body);
        Assert.Multiple(() =>
        {
            Assert.That(problem.RootElement.GetProperty("type").GetString(), Is.EqualTo("urn:nativeffn:" + name));
            Assert.That(problem.RootElement.GetProperty("status").GetInt32(), Is.EqualTo(status));
            Assert.That(problem.RootElement.GetProperty("title").GetString(), Is.Not.Empty);
        });
        return problem.RootElement.GetProperty("detail").GetString()!;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
        Layer.Dispose();
        _engine.Dispose();
        _folder.Dispose();
    }
}
