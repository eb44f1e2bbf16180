using NativeFfn.AspNetCore;
using NativeFfn.AspNetCore.Http;
using NativeFfn.Hosting;
using NativeFfn.Server.Configuration;
using NativeFfn.Server.Explorer;
using NativeFfn.Server.Http;
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
        WebApplicationBuilder builder = CreateBuilder(arguments);
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
        MapEndpoints(app, options);
        return app;
    }

    /// <summary>Whether another rank of an MPI job takes the requests, and this one runs its part of them.</summary>
    /// <param name="arguments">As of <see cref="Create"/>.</param>
    public static bool Follows(string[] arguments)
    {
        if (FfnEngine.LaunchedRank == 0)
        {
            return false;
        }

        using ConfigurationManager configuration = CreateBuilder(arguments).Configuration;
        return configuration.GetSection(NativeFfnOptions.SectionName)[nameof(FfnEngineOptions.Parallel)] is { Length: > 0 };
    }

    /// <summary>Makes a rank that follows rank 0: the same models, and nobody to listen to.</summary>
    /// <param name="arguments">As of <see cref="Create"/>.</param>
    public static IHost CreateFollower(string[] arguments)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(
            new HostApplicationBuilderSettings { Configuration = CreateBuilder(arguments).Configuration });
        builder.Logging.AddConfiguration(builder.Configuration.GetSection("Logging")).AddConsole();
        builder.Services.Configure<HostOptions>(static host => host.ShutdownTimeout = ShutdownTimeout);
        AddLayers(builder.Services, builder.Configuration);
        return builder.Build();
    }

    private static WebApplicationBuilder CreateBuilder(string[] arguments)
    {
        // appsettings.json and the page lie beside the program, wherever it is started from.
        WebApplicationBuilder builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            ApplicationName = typeof(ServerApp).Assembly.GetName().Name, ContentRootPath = AppContext.BaseDirectory, Args = ReadOnce,
        });
        CommandLine.Add(builder.Configuration, arguments);
        ModelNames.RequireDistinct(builder.Configuration, arguments, Environment.GetEnvironmentVariables());
        return builder;
    }

    private static void AddLayers(IServiceCollection services, ConfigurationManager configuration)
    {
        services.AddNativeFfn(configuration.GetSection(NativeFfnOptions.SectionName));
        services.AddOptions<NativeFfnOptions>().PostConfigure<ILogger<SampleModel>>(SampleModels.AddWhereNone);
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
        AddLayers(services, builder.Configuration);
        services.AddSingleton(options);
        services.AddNativeFfnEndpoints(options.CopyTo);
        services.AddNativeFfnGrpc();
        services.AddOpenApi();
        services.AddSingleton<ActivationCurves>();
        services.AddSingleton<LayerProbe>();
        services.AddSingleton<ComputeEndpoint>();
        services.AddOpenTelemetry().ConfigureResource(static resource => resource.AddService("nativeffn-server")).WithMetrics(
            static metrics => metrics
            .AddMeter("NativeFfn", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime")
            .AddPrometheusExporter());
    }

    private static void MapEndpoints(WebApplication app, ServerOptions options)
    {
        IServiceProvider services = app.Services;
        app.MapNativeFfn();
        app.MapNativeFfnGrpc();
        app.MapNativeFfnHealthChecks();
        app.MapOpenApi();
        app.MapPrometheusScrapingEndpoint("/metrics");
        OtherMethods.Refuse(app, "GET, HEAD", isOpen: true, "/healthz/live", "/healthz/ready");
        OtherMethods.Refuse(app, "GET, HEAD", isOpen: false, "/metrics");
        OtherMethods.Refuse(app, "GET", isOpen: false, "/openapi/{documentName}.json");
        if (options.Explorer.Enabled)
        {
            OtherMethods.Refuse(app, "GET, HEAD", isOpen: true, ["/", .. ExplorerPage.Files(app)]);
            services.GetRequiredService<EndpointGuard>().StandAround(
                app.MapPost("/api/compute/ffn", services.GetRequiredService<ComputeEndpoint>().HandleAsync));
        }
    }
}
