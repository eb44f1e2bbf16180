using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using NativeFfn.Hosting;
using NativeFfn.Server.Configuration;
using NativeFfn.Server.Explorer;
using NativeFfn.Server.Http;
using NativeFfn.Server.Rpc;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace NativeFfn.Server;

/// <summary>Puts the server together: configuration, services, and the way of a request.</summary>
internal static class ServerApp
{
    // Kestrel waits for the requests in flight, then the queue runs empty; both within the host's time.
    private static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(30);

    // The configuration is not watched, which would take an inotify instance of the few that a user has.
    private static readonly string[] ReadOnce = ["--hostBuilder:reloadConfigOnChange=false"];

    /// <summary>Makes a server that is ready to start.</summary>
    /// <param name="arguments">Configuration keys, as <see cref="CommandLine"/> takes them.</param>
    /// <param name="configure">Changes the services, for tests.</param>
    /// <exception cref="ConfigurationException">A value of the section <c>Server</c>, an address or an argument is refused.</exception>
    public static WebApplication Create(string[] arguments, Action<IServiceCollection>? configure = null)
    {
        // appsettings.json and the page lie beside the program, wherever it is started from.
        WebApplicationBuilder builder = WebApplication.CreateBuilder(
            new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory, Args = ReadOnce });
        CommandLine.Add(builder.Configuration, arguments);
        ModelNames.RequireDistinct(builder.Configuration, arguments, Environment.GetEnvironmentVariables());
        ServerOptions options = ServerOptions.Read(builder.Configuration);
        BindingPolicy.RequireAddresses(builder.Configuration);
        BindingPolicy.RequireKeysOrLoopback(builder.Configuration, options);
        AddServices(builder, options);
        configure?.Invoke(builder.Services);

        WebApplication app = builder.Build();
        app.UseMiddleware<Problems>();
        if (options.Explorer.Enabled)
        {
            ExplorerPage.Use(app);
        }

        app.UseRouting();
        app.UseMiddleware<ApiKeyMiddleware>();
        app.UseMiddleware<ContentEncodings>();
        MapEndpoints(app, options);
        return app;
    }

    private static void AddServices(WebApplicationBuilder builder, ServerOptions options)
    {
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxRequestBytes;
            kestrel.Limits.MaxConcurrentConnections = options.MaxConnections;
        });
        IServiceCollection services = builder.Services;
        services.Configure<HostOptions>(static host => host.ShutdownTimeout = ShutdownTimeout);
        services.AddNativeFfn(builder.Configuration.GetSection("NativeFfn"));
        services.AddSingleton(options);
        services.AddSingleton(new RowMemory(options.MaxBufferedBytes));
        services.AddSingleton<LayerCatalog>();
        services.AddSingleton<ForwardEndpoint>();
        services.AddSingleton<LayersEndpoint>();
        services.AddSingleton<ReloadEndpoint>();
        services.AddSingleton<ActivationCurves>();
        services.AddSingleton<LayerProbe>();
        services.AddSingleton<ComputeEndpoint>();
        services.AddSingleton<FeedForwardService>();
        services.AddHealthChecks();
        services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = (int)Math.Min(int.MaxValue, options.MaxRequestBytes);
            grpc.MaxSendMessageSize = null;
        });
        services.AddOpenTelemetry().ConfigureResource(static resource => resource.AddService("nativeffn-server")).WithMetrics(
            static metrics => metrics
            .AddMeter("NativeFfn", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
            .AddPrometheusExporter());
    }

    private static void MapEndpoints(WebApplication app, ServerOptions options)
    {
        IServiceProvider services = app.Services;
        app.MapHealthChecks("/healthz/live", new HealthCheckOptions { Predicate = static _ => false }).WithMetadata(new OpenToAll());
        app.MapHealthChecks("/healthz/ready", new HealthCheckOptions { Predicate = static check => check.Tags.Contains("ready") })
            .WithMetadata(new OpenToAll());
        app.MapPrometheusScrapingEndpoint("/metrics");
        OtherMethods.Refuse(app, "GET, HEAD", isOpen: true, "/healthz/live", "/healthz/ready");
        OtherMethods.Refuse(app, "GET, HEAD", isOpen: false, "/metrics");
        OtherMethods.Refuse(app, "GET", isOpen: false, "/v1/layers");
        OtherMethods.Refuse(app, "POST", isOpen: false, FeedForward.Descriptor.Methods.Select(
            static method => $"/{FeedForward.Descriptor.FullName}/{method.Name}"));
        app.MapGet("/v1/layers", services.GetRequiredService<LayersEndpoint>().HandleAsync);
        app.MapPost("/v1/layers/{model}/{index}/forward", services.GetRequiredService<ForwardEndpoint>().HandleAsync);
        app.MapPost("/v1/models/{model}/reload", services.GetRequiredService<ReloadEndpoint>().HandleAsync);
        app.MapGrpcService<FeedForwardService>();
        if (options.Explorer.Enabled)
        {
            OtherMethods.Refuse(app, "GET, HEAD", isOpen: true, ["/", .. ExplorerPage.Files(app)]);
            app.MapPost("/api/compute/ffn", services.GetRequiredService<ComputeEndpoint>().HandleAsync);
        }
    }
}
