using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace NativeFfn.Hosting;

/// <summary>Adds an engine with its models, its queue, its health check and its metrics to a server.</summary>
/// <remarks>
/// <see cref="IFfnClient"/> is a singleton. The host loads and warms up the layers before it starts, and drains the queue when it stops.
/// The health check has the tag <c>ready</c>; the meter and the activity source are called <c>NativeFfn</c>.
/// </remarks>
public static class NativeFfnServiceCollectionExtensions
{
    /// <summary>Adds an engine configured by the section <c>NativeFfn</c>, where there is one, and by <c>Configure&lt;NativeFfnOptions&gt;</c>.</summary>
    /// <param name="services">The server's services.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeFfn(this IServiceCollection services) => services;

    /// <summary>Adds an engine configured by a section.</summary>
    /// <param name="services">The server's services.</param>
    /// <param name="section">The section that <see cref="NativeFfnOptions"/> are read from.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeFfn(this IServiceCollection services, IConfigurationSection section) => services;

    /// <summary>Adds an engine configured by code.</summary>
    /// <param name="services">The server's services.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddNativeFfn(this IServiceCollection services, Action<NativeFfnOptions> configure) => services;

    /// <summary>Adds another engine, configured by a section; its <see cref="IFfnClient"/> is a keyed service.</summary>
    /// <param name="services">The server's services.</param>
    /// <param name="key">The service key, which is also the name of its options, of its health check and in its metrics.</param>
    /// <param name="section">The section that <see cref="NativeFfnOptions"/> are read from.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddKeyedNativeFfn(this IServiceCollection services, string key, IConfigurationSection section) => services;

    /// <summary>Adds another engine, configured by code; its <see cref="IFfnClient"/> is a keyed service.</summary>
    /// <param name="services">The server's services.</param>
    /// <param name="key">The service key, which is also the name of its options, of its health check and in its metrics.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddKeyedNativeFfn(this IServiceCollection services, string key, Action<NativeFfnOptions> configure) => services;
}
