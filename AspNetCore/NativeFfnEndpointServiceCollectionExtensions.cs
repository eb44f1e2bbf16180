using Grpc.AspNetCore.Server;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using NativeFfn.AspNetCore.Http;
using NativeFfn.AspNetCore.Rpc;
using NativeFfn.Hosting;

namespace NativeFfn.AspNetCore;

/// <summary>Adds what the endpoints need beside an engine (<see cref="NativeFfnServiceCollectionExtensions"/>).</summary>
public static class NativeFfnEndpointServiceCollectionExtensions
{
    // The tag of checks that tell whether requests can be served, by ASP.NET's habit; NativeFfn.Hosting sets it too.
    internal const string ReadyTag = "ready";

    /// <summary>
    /// Adds the endpoints' options from the section <c>NativeFfnEndpoints</c>, where there is one, and from
    /// <c>Configure&lt;NativeFfnEndpointOptions&gt;</c>.
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <returns>The same services.</returns>
    /// <example>
    /// <code>
    /// builder.Services.AddNativeFfn();
    /// builder.Services.AddNativeFfnEndpoints();
    /// WebApplication app = builder.Build();
    /// app.MapNativeFfn();
    /// </code>
    /// </example>
    public static IServiceCollection AddNativeFfnEndpoints(this IServiceCollection services)
    {
        Register(services).Configure<IServiceProvider>(static (options, provider) =>
        {
            if (provider.GetService<IConfiguration>() is { } configuration)
            {
                EndpointOptionsBinder.Bind(configuration.GetSection(NativeFfnEndpointOptions.SectionName), options);
            }
        });
        return services;
    }

    /// <summary>Adds the endpoints' options from a section.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="section">The section that <see cref="NativeFfnEndpointOptions"/> are read from.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeFfnEndpoints(this IServiceCollection services, IConfigurationSection section)
    {
        ArgumentNullException.ThrowIfNull(section);
        Register(services).Configure(options => EndpointOptionsBinder.Bind(section, options));
        return services;
    }

    /// <summary>Adds the endpoints' options by code.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeFfnEndpoints(
        this IServiceCollection services, Action<NativeFfnEndpointOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Register(services).Configure(configure);
        return services;
    }

    /// <summary>Adds gRPC with the layers' service, its health and reflection; beside <c>AddNativeFfnEndpoints</c>.</summary>
    /// <remarks>
    /// The limits of messages are those of <see cref="NativeFfnEndpointOptions"/>, for this service alone. Health checks with the tag
    /// <c>ready</c> answer for <c>nativeffn.v1.FeedForward</c>, and all of them for the server as a whole.
    /// </remarks>
    /// <param name="services">The application's services.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeFfnGrpc(this IServiceCollection services)
    {
        Register(services);
        services.AddGrpc().AddServiceOptions<FeedForwardService>(static _ => { });
        services.AddOptions<GrpcServiceOptions<FeedForwardService>>().Configure<IOptions<NativeFfnEndpointOptions>>(
            static (grpc, options) =>
            {
                grpc.MaxReceiveMessageSize = (int)Math.Min(int.MaxValue, options.Value.MaxRequestBytes);
                grpc.MaxSendMessageSize = null;
            });
        services.TryAddSingleton<FeedForwardService>();
        services.AddGrpcHealthChecks(static health => health.Services.Map(
            FeedForward.Descriptor.FullName, static check => check.Tags.Contains(ReadyTag)));
        services.TryAddSingleton<LayerReflection>();
        services.TryAddSingleton<AlphaLayerReflection>();
        return services;
    }

    private static OptionsBuilder<NativeFfnEndpointOptions> Register(IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<NativeFfnEndpointOptions>, EndpointOptionsValidator>());
        services.TryAddSingleton(static provider =>
            new RowMemory(provider.GetRequiredService<IOptions<NativeFfnEndpointOptions>>().Value.MaxBufferedBytes));
        services.TryAddSingleton<EndpointGuard>();
        services.TryAddSingleton<LayerCatalog>();
        return services.AddOptions<NativeFfnEndpointOptions>().ValidateOnStart();
    }
}
