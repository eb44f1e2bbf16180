using System.Diagnostics.Metrics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NativeFfn.Hosting.Serving;
using NativeFfn.Hosting.Telemetry;

namespace NativeFfn.Hosting;

/// <summary>Adds an engine with its models, its queue, its health check and its metrics to a server.</summary>
/// <remarks>
/// <see cref="IFfnClient"/> is a singleton. The host loads and warms up the layers before it starts, and drains the queue when it stops.
/// The health check has the tag <c>ready</c>; the meter and the activity source are called <c>NativeFfn</c>.
/// </remarks>
/// <example>
/// <code>
/// builder.Services.AddNativeFfn(builder.Configuration.GetSection("NativeFfn"));
/// builder.Services.Configure&lt;NativeFfnOptions>(options => options.AddLayer("made", spec, new XavierWeights(spec, seed: 1)));
/// </code>
/// </example>
public static class NativeFfnServiceCollectionExtensions
{
    private const string DefaultEngineName = "default";
    private const string HealthCheckName = "nativeffn";
    private const string ReadyTag = "ready";

    /// <summary>
    /// Adds an engine configured by the section <c>NativeFfn</c>, where there is one, and by <c>Configure&lt;NativeFfnOptions&gt;</c>.
    /// </summary>
    /// <param name="services">The server's services.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeFfn(this IServiceCollection services)
    {
        Register(services, key: null).Configure<IServiceProvider>(static (options, provider) =>
        {
            if (provider.GetService<IConfiguration>() is { } configuration)
            {
                OptionsBinder.Bind(configuration.GetSection(NativeFfnOptions.SectionName), options);
            }
        });
        return services;
    }

    /// <summary>Adds an engine configured by a section.</summary>
    /// <param name="services">The server's services.</param>
    /// <param name="section">The section that <see cref="NativeFfnOptions"/> are read from.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeFfn(this IServiceCollection services, IConfigurationSection section) =>
        Add(services, key: null, section);

    /// <summary>Adds an engine configured by code.</summary>
    /// <param name="services">The server's services.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeFfn(this IServiceCollection services, Action<NativeFfnOptions> configure) =>
        Add(services, key: null, configure);

    /// <summary>Adds another engine, configured by a section; its <see cref="IFfnClient"/> is a keyed service.</summary>
    /// <param name="services">The server's services.</param>
    /// <param name="key">The service key, which is also the name of its options, of its health check and in its metrics.</param>
    /// <param name="section">The section that <see cref="NativeFfnOptions"/> are read from.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddKeyedNativeFfn(this IServiceCollection services, string key, IConfigurationSection section)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        return Add(services, key, section);
    }

    /// <summary>Adds another engine, configured by code; its <see cref="IFfnClient"/> is a keyed service.</summary>
    /// <param name="services">The server's services.</param>
    /// <param name="key">The service key, which is also the name of its options, of its health check and in its metrics.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddKeyedNativeFfn(this IServiceCollection services, string key, Action<NativeFfnOptions> configure)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        return Add(services, key, configure);
    }

    private static IServiceCollection Add(IServiceCollection services, string? key, IConfigurationSection section)
    {
        ArgumentNullException.ThrowIfNull(section);
        Register(services, key).Configure(options => OptionsBinder.Bind(section, options));
        return services;
    }

    private static IServiceCollection Add(IServiceCollection services, string? key, Action<NativeFfnOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        Register(services, key).Configure(configure);
        return services;
    }

    // An engine that is added twice is one engine with both configurations.
    private static OptionsBuilder<NativeFfnOptions> Register(IServiceCollection services, string? key)
    {
        ArgumentNullException.ThrowIfNull(services);
        string optionsName = key ?? Options.DefaultName;
        OptionsBuilder<NativeFfnOptions> options = services.AddOptions<NativeFfnOptions>(optionsName).ValidateOnStart();
        if (services.Any(service => service.ServiceType == typeof(FfnRuntime) && Equals(service.ServiceKey, key)))
        {
            return options;
        }

        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<NativeFfnOptions>, OptionsValidator>());
        services.TryAddSingleton(static provider => new FfnMetrics(provider.GetService<IMeterFactory>()));
        services.AddKeyedSingleton(key, (provider, _) => new FfnRuntime(
            key ?? DefaultEngineName,
            provider.GetRequiredService<IOptionsMonitor<NativeFfnOptions>>().Get(optionsName),
            provider.GetService<TimeProvider>() ?? TimeProvider.System,
            provider.GetRequiredService<FfnMetrics>(),
            (provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger(FfnLog.Category)));
        services.AddKeyedSingleton<IFfnClient>(key, (provider, _) => new FfnClient(provider.GetRequiredKeyedService<FfnRuntime>(key)));
        services.AddKeyedSingleton<IFfnModels>(key, (provider, _) => provider.GetRequiredKeyedService<FfnRuntime>(key));
        services.AddSingleton<IHostedService>(provider => new FfnHostedService(
            provider.GetRequiredKeyedService<FfnRuntime>(key), provider.GetRequiredService<IOptionsMonitor<NativeFfnOptions>>(),
            optionsName, provider.GetService<IHostApplicationLifetime>()));
        services.AddHealthChecks().Add(new HealthCheckRegistration(
            key is null ? HealthCheckName : $"{HealthCheckName}-{key}",
            provider => new FfnHealthCheck(provider.GetRequiredKeyedService<FfnRuntime>(key)),
            failureStatus: null,
            [ReadyTag]));
        return options;
    }
}
