using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using NativeFfn.AspNetCore.Http;
using NativeFfn.AspNetCore.OpenApi;
using NativeFfn.AspNetCore.Rpc;
using NativeFfn.Hosting;
using static NativeFfn.AspNetCore.NativeFfnEndpointServiceCollectionExtensions;

namespace NativeFfn.AspNetCore;

/// <summary>Maps the layers that an application holds to addresses.</summary>
/// <remarks>
/// Every refusal is <c>application/problem+json</c> (RFC 9457), and the rest of the application is left alone. The builders that are
/// returned take the application's own conventions: <c>RequireAuthorization</c>, <c>RequireRateLimiting</c>, <c>RequireHost</c> and so on.
/// Nothing here needs reflection over the application's types, so that trimming and ahead-of-time compilation change nothing.
/// </remarks>
/// <example>
/// <code>
/// app.MapNativeFfn();
/// app.MapNativeFfnGrpc();
/// app.MapNativeFfnHealthChecks();
/// app.MapOpenApi();
/// </code>
/// </example>
public static class NativeFfnEndpointRouteBuilderExtensions
{
    private const string Tag = "NativeFfn";

    /// <summary>
    /// Maps <c>GET /v1/layers</c>, <c>POST /v1/layers/{model}/{index}/forward</c> and <c>POST /v1/models/{model}/reload</c>, the last
    /// unless <see cref="NativeFfnEndpointOptions.ModelReload"/> is off.
    /// </summary>
    /// <param name="endpoints">The application, or a group with a prefix of its own.</param>
    /// <returns>A builder for conventions of all of them.</returns>
    /// <exception cref="InvalidOperationException">The services of the engine or of the endpoints were not added.</exception>
    /// <example>
    /// <code>
    /// app.MapGroup("/ffn").MapNativeFfn().RequireAuthorization();
    /// </code>
    /// </example>
    public static IEndpointConventionBuilder MapNativeFfn(this IEndpointRouteBuilder endpoints) => Map(endpoints, key: null);

    /// <summary>Maps the same for an engine that was added with a key (<c>AddKeyedNativeFfn</c>).</summary>
    /// <param name="endpoints">A group with a prefix that no other engine has.</param>
    /// <param name="key">The engine's service key.</param>
    /// <returns>A builder for conventions of all of them.</returns>
    /// <exception cref="InvalidOperationException">There is no such engine, or the endpoints' services were not added.</exception>
    /// <example>
    /// <code>
    /// app.MapGroup("/gpu").MapKeyedNativeFfn("gpu");
    /// </code>
    /// </example>
    public static IEndpointConventionBuilder MapKeyedNativeFfn(this IEndpointRouteBuilder endpoints, string key)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        return Map(endpoints, key);
    }

    /// <summary>
    /// Maps the service <c>nativeffn.v1.FeedForward</c>, <c>grpc.health.v1.Health</c> and the reflection of both, the last two unless
    /// <see cref="NativeFfnEndpointOptions"/> turns them off. Health needs neither key nor authorization.
    /// </summary>
    /// <remarks>gRPC needs HTTP/2: without TLS, an address of its own whose protocol is <c>Http2</c>.</remarks>
    /// <param name="endpoints">The application.</param>
    /// <returns>A builder for conventions of all of them.</returns>
    /// <exception cref="InvalidOperationException">The services of the engine or of gRPC were not added.</exception>
    public static IEndpointConventionBuilder MapNativeFfnGrpc(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        RequireServices<FeedForwardService>(endpoints, nameof(NativeFfnEndpointServiceCollectionExtensions.AddNativeFfnGrpc));
        RequireServices<IFfnClient>(endpoints, nameof(NativeFfnServiceCollectionExtensions.AddNativeFfn));
        NativeFfnEndpointOptions options = endpoints.ServiceProvider.GetRequiredService<IOptions<NativeFfnEndpointOptions>>().Value;
        RouteGroupBuilder all = endpoints.MapGroup(string.Empty);
        RouteGroupBuilder guarded = all.MapGroup(string.Empty);
        endpoints.ServiceProvider.GetRequiredService<EndpointGuard>().StandAround(guarded);
        OtherMethods.Refuse(guarded, "POST", isOpen: false, FeedForward.Descriptor.Methods.Select(
            static method => $"/{FeedForward.Descriptor.FullName}/{method.Name}"));
        guarded.MapGrpcService<FeedForwardService>();
        if (options.GrpcReflection)
        {
            guarded.MapGrpcService<LayerReflection>();
            guarded.MapGrpcService<AlphaLayerReflection>();
        }

        if (options.GrpcHealth)
        {
            all.MapGrpcHealthChecksService().AllowAnonymous();
        }

        return all;
    }

    /// <summary>
    /// Maps <c>GET /healthz/live</c>, which answers as long as the process does, and <c>GET /healthz/ready</c>, which asks the checks with
    /// the tag <c>ready</c>, those of the engines among them. Neither needs a key or authorization.
    /// </summary>
    /// <param name="endpoints">The application.</param>
    /// <returns>A builder for conventions of both.</returns>
    public static IEndpointConventionBuilder MapNativeFfnHealthChecks(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        const string Live = "/healthz/live";
        const string Ready = "/healthz/ready";
        RouteGroupBuilder group = endpoints.MapGroup(string.Empty);
        group.AllowAnonymous();
        group.MapHealthChecks(Live, new HealthCheckOptions { Predicate = static _ => false });
        group.MapHealthChecks(Ready, new HealthCheckOptions { Predicate = static check => check.Tags.Contains(ReadyTag) });
        return group;
    }

    private static RouteGroupBuilder Map(IEndpointRouteBuilder endpoints, string? key)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        IServiceProvider services = endpoints.ServiceProvider;
        RequireServices<EndpointGuard>(endpoints, nameof(NativeFfnEndpointServiceCollectionExtensions.AddNativeFfnEndpoints));
        IFfnClient client = services.GetKeyedService<IFfnClient>(key) ?? throw Missing(
            key is null ? nameof(NativeFfnServiceCollectionExtensions.AddNativeFfn)
                : $"{nameof(NativeFfnServiceCollectionExtensions.AddKeyedNativeFfn)}(\"{key}\", ...)");
        EndpointGuard guard = services.GetRequiredService<EndpointGuard>();
        LayerCatalog layers = key is null ? services.GetRequiredService<LayerCatalog>() : new LayerCatalog(client);
        NativeFfnEndpointOptions options = services.GetRequiredService<IOptions<NativeFfnEndpointOptions>>().Value;
        var forward = new ForwardEndpoint(
            client, layers, services.GetRequiredService<RowMemory>(), options.MaxRequestBytes,
            services.GetService<TimeProvider>() ?? TimeProvider.System);

        RouteGroupBuilder group = endpoints.MapGroup("/v1");
        guard.StandAround(group);
        group.WithTags(Tag);
        var descriptions = new EndpointDescriptions(guard.AsksForKey);
        descriptions.Add(group.MapGet("/layers", new LayersEndpoint(layers).HandleAsync), descriptions.Layers);
        descriptions.Add(group.MapPost("/layers/{model}/{index}/forward", forward.HandleAsync), descriptions.Forward);
        OtherMethods.Refuse(group, "GET", isOpen: false, "/layers");
        OtherMethods.Refuse(group, "POST", isOpen: false, "/layers/{model}/{index}/forward");
        if (options.ModelReload)
        {
            const string Reload = "/models/{model}/reload";
            var reload = new ReloadEndpoint(services.GetRequiredKeyedService<IFfnModels>(key));
            descriptions.Add(group.MapPost(Reload, reload.HandleAsync), descriptions.Reload);
            OtherMethods.Refuse(group, "POST", isOpen: false, Reload);
        }

        return group;
    }

    private static void RequireServices<T>(IEndpointRouteBuilder endpoints, string call)
    {
        if (endpoints.ServiceProvider.GetService<IServiceProviderIsService>()?.IsService(typeof(T)) == false)
        {
            throw Missing(call);
        }
    }

    private static InvalidOperationException Missing(string call) =>
        new($"The services of NativeFfn are missing. Call builder.Services.{call} before the application is built.");
}
