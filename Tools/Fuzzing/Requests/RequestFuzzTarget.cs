using System.Net;
using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;
using NativeFfn.Checkpoints;
using NativeFfn.Server;

namespace NativeFfn.Fuzzing.Requests;

/// <summary>Hands requests to the whole server, without sockets, and holds it to its promises.</summary>
/// <remarks>
/// Whatever is asked, the pipeline throws nothing and no answer is a 500, which would be the server's own failure. A gRPC status of
/// Unknown stands for an exception that nobody foresaw, except where gRPC's own code found no message in the bytes.
/// </remarks>
public sealed class RequestFuzzTarget : IAsyncDisposable
{
    private const int Width = 8;
    private const int Inner = 16;
    private const int LongestBody = 1 << 20;
    private const string Unknown = "2";

    // What gRPC's own code throws for bytes that are no message, and answers with Unknown.
    private static readonly string[] NoMessages = ["InvalidProtocolBufferException", "InvalidDataException", "Message too large"];

    private readonly DirectoryInfo _folder;
    private readonly WebApplication _app;
    private readonly CapturedServer _server;

    private RequestFuzzTarget(DirectoryInfo folder, WebApplication app, CapturedServer server)
    {
        _folder = folder;
        _app = app;
        _server = server;
    }

    /// <summary>Starts a server with one small layer, <c>model/0</c>.</summary>
    public static async Task<RequestFuzzTarget> StartAsync()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("nativeffn-fuzz-");
        WriteModel(Path.Combine(folder.FullName, "model"));
        var server = new CapturedServer();
        WebApplication app = ServerApp.Create(
            [
                "--model", Path.Combine(folder.FullName, "model"), "--backend", "managed", "--threads", "1", "--urls", "http://127.0.0.1:0",
                "--Logging:LogLevel:Default", "None", "--Server:MaxRequestBytes", $"{LongestBody}",
            ],
            services => services.AddSingleton<IServer>(server)
                .AddLogging(static logging => logging.ClearProviders())
                .Configure<GrpcServiceOptions>(static options => options.EnableDetailedErrors = true));
        await app.StartAsync();
        return new RequestFuzzTarget(folder, app, server);
    }

    /// <summary>Runs a request.</summary>
    /// <returns>The HTTP status, or 200 and the gRPC status behind it, such as <c>200/3</c>.</returns>
    /// <exception cref="InvalidOperationException">The answer is the server's own failure.</exception>
    public async Task<string> RunAsync(FuzzRequest request)
    {
        var features = new FeatureCollection();
        var head = new HttpRequestFeature
        {
            Method = request.Method, Path = request.Path, QueryString = request.Query, Scheme = "http", Protocol = "HTTP/2",
            Body = new MemoryStream([.. request.Body], writable: false),
        };
        head.Headers.ContentLength = request.Body.Length;
        foreach ((string name, string value) in request.Headers)
        {
            head.Headers[name] = value;
        }

        using var body = new MemoryStream();
        var answer = new Answer();
        var trailers = new RpcTrailers();
        features.Set<IHttpRequestFeature>(head);
        features.Set<IHttpResponseFeature>(answer);
        features.Set<IHttpResponseBodyFeature>(new StartingBody(body, answer));
        features.Set<IHttpResponseTrailersFeature>(trailers);
        features.Set<IHttpRequestBodyDetectionFeature>(trailers);
        features.Set<IHttpConnectionFeature>(
            new HttpConnectionFeature { RemoteIpAddress = IPAddress.Loopback, LocalIpAddress = IPAddress.Loopback });
        await _server.RunAsync(features);
        string? rpc = Field("grpc-status");
        string reason = Field("grpc-message") ?? string.Empty;
        if (answer.StatusCode == StatusCodes.Status500InternalServerError
            || (rpc == Unknown && !NoMessages.Any(found => reason.Contains(found, StringComparison.Ordinal))))
        {
            throw new InvalidOperationException($"The answer is {answer.StatusCode}/{rpc} {reason}");
        }

        return rpc is null ? $"{answer.StatusCode}" : $"{answer.StatusCode}/{rpc}";

        string? Field(string name) =>
            (trailers.Fields.TryGetValue(name, out StringValues found) ? found : answer.Headers[name]).FirstOrDefault();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static void WriteModel(string folder)
    {
        Directory.CreateDirectory(folder);
        FfnSpec spec = FfnSpec.Create(FfnKind.SwiGlu, Width, Inner);
        var weights = new XavierWeights(spec, seed: 1);
        const string Layer = "model.layers.0.";
        using (var writer = new SafetensorsWriter(
            Path.Combine(folder, "model.safetensors"),
            [
                .. spec.Tensors.Select(static tensor => (
                    Layer + "mlp." + tensor.Name.Replace(".weight", "_proj.weight", StringComparison.Ordinal),
                    "F32",
                    new long[] { tensor.Rows, tensor.Columns })),
                (Layer + "post_attention_layernorm.weight", "F32", [Width]),
            ]))
        {
            foreach (FfnTensor tensor in spec.Tensors)
            {
                float[] values = new float[tensor.ElementCount];
                weights.ReadRows(tensor, 0, values);
                writer.Write(values);
            }

            writer.Write([.. Enumerable.Repeat(1f, Width)]);
            writer.Commit();
        }

        File.WriteAllText(
            Path.Combine(folder, "config.json"),
            $$"""{"model_type":"llama","hidden_size":{{Width}},"intermediate_size":{{Inner}},"num_hidden_layers":1,"hidden_act":"silu"}""");
    }

    private sealed class Answer : HttpResponseFeature
    {
        private bool _hasStarted;

        public override bool HasStarted => _hasStarted;

        public void Start() => _hasStarted = true;
    }

    private sealed class StartingBody(Stream stream, Answer answer) : StreamResponseBodyFeature(stream)
    {
        public override Task StartAsync(CancellationToken cancellationToken = default)
        {
            answer.Start();
            return base.StartAsync(cancellationToken);
        }
    }

    private sealed class RpcTrailers : IHttpResponseTrailersFeature, IHttpRequestBodyDetectionFeature
    {
        public IHeaderDictionary Fields { get; private set; } = new HeaderDictionary();

        IHeaderDictionary IHttpResponseTrailersFeature.Trailers
        {
            get => Fields;
            set => Fields = value;
        }

        public bool CanHaveBody => true;
    }
}
