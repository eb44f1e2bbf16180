using System.Net;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using NativeFfn.AspNetCore;
using NativeFfn.Hosting;

namespace NativeFfn.Tests.AspNetCore;

/// <summary>An application of somebody's own with layers made by code, on free ports of the loopback address.</summary>
internal sealed class EndpointApp : IAsyncDisposable
{
    public const int Width = 8;

    private EndpointApp(WebApplication app, ListenOptions http, ListenOptions grpc)
    {
        App = app;
        Client = new HttpClient { BaseAddress = new Uri($"http://{http.IPEndPoint}") };
        GrpcAddress = new Uri($"http://{grpc.IPEndPoint}");
    }

    /// <summary>A dense layer, <c>made/0</c>.</summary>
    public static FfnSpec Dense { get; } = FfnSpec.Create(FfnKind.SwiGlu, Width, 12);

    /// <summary>A mixture, <c>made/1</c>.</summary>
    public static FfnSpec Mixture { get; } = FfnSpec.Create(FfnKind.SwiGlu, Width, 12).WithExperts(new MixtureSpec(4, 2));

    public WebApplication App { get; }

    /// <summary>Talks HTTP/1.1.</summary>
    public HttpClient Client { get; }

    /// <summary>Takes HTTP/2 alone.</summary>
    public Uri GrpcAddress { get; }

    /// <summary>Starts an application that maps the layers as a test wants.</summary>
    public static async Task<EndpointApp> StartAsync(Action<WebApplication> map, Action<WebApplicationBuilder>? configure = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        ListenOptions? http = null;
        ListenOptions? grpc = null;
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, options => http = options);
            kestrel.Listen(IPAddress.Loopback, 0, options =>
            {
                options.Protocols = HttpProtocols.Http2;
                grpc = options;
            });
        });
        builder.Services.AddNativeFfn(static options => options
            .ConfigureEngine(static engine => engine with { Backend = BackendKind.Managed, Threads = 1 })
            .AddLayer("made", Dense, new XavierWeights(Dense, seed: 1))
            .AddLayer("made", Mixture, new XavierWeights(Mixture, seed: 2)));
        if (configure is null)
        {
            builder.Services.AddNativeFfnEndpoints();
        }
        else
        {
            configure(builder);
        }

        WebApplication app = builder.Build();
        map(app);
        await app.StartAsync();
        return new EndpointApp(app, http!, grpc!);
    }

    /// <summary>Rows that differ.</summary>
    public static float[] Rows(int count) => [.. Enumerable.Range(1, count * Width).Select(static i => MathF.Sin(i))];

    /// <summary>What the layer itself answers.</summary>
    public float[] Expected(float[] rows, string layer = "made/0", string? engine = null)
    {
        float[] output = new float[rows.Length];
        App.Services.GetRequiredKeyedService<IFfnClient>(engine).GetLayer(layer).Forward(rows, output);
        return output;
    }

    /// <summary>Posts rows as bytes.</summary>
    public Task<HttpResponseMessage> PostAsync(string address, float[] rows) =>
        PostAsync(address, MemoryMarshal.AsBytes(rows.AsSpan()).ToArray(), "application/octet-stream");

    /// <summary>Posts text as JSON.</summary>
    public Task<HttpResponseMessage> PostAsync(string address, string json) =>
        PostAsync(address, Encoding.UTF8.GetBytes(json), "application/json");

    /// <summary>Gets an address.</summary>
    public Task<HttpResponseMessage> GetAsync(string address) => Client.GetAsync(new Uri(address, UriKind.Relative));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await App.DisposeAsync();
    }

    private Task<HttpResponseMessage> PostAsync(string address, byte[] body, string type)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue(type);
        return Client.PostAsync(new Uri(address, UriKind.Relative), content);
    }
}
