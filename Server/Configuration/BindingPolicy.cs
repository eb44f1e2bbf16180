using System.Net;

namespace NativeFfn.Server.Configuration;

/// <summary>Who can reach the server: without keys, only this machine may.</summary>
internal static class BindingPolicy
{
    private const string Endpoints = "Kestrel:Endpoints";

    /// <summary>Refuses an address that others can reach, where there is no key.</summary>
    /// <exception cref="ConfigurationException">There is such an address; the message names its key.</exception>
    public static void RequireKeysOrLoopback(IConfiguration configuration, ServerOptions options)
    {
        if (options.ApiKeys.Length > 0)
        {
            return;
        }

        foreach ((string key, string address) in Addresses(configuration))
        {
            if (!IsLoopback(address))
            {
                throw new ConfigurationException(
                    $"{key} is '{address}', which other machines can reach, but {ServerOptions.Section}:{nameof(ServerOptions.ApiKeys)} " +
                    "is empty. " +
                    "Set a key (Server__ApiKeys__0 in the environment) or listen on 127.0.0.1.");
            }
        }
    }

    /// <summary>Whether a host, as a URL or a Host header has it, is this machine's own.</summary>
    public static bool IsLoopbackHost(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    // Endpoints, where there are any, replace what the older keys say.
    private static IEnumerable<(string Key, string Address)> Addresses(IConfiguration configuration)
    {
        bool any = false;
        foreach (IConfigurationSection endpoint in configuration.GetSection(Endpoints).GetChildren())
        {
            any = true;
            yield return ($"{endpoint.Path}:Url", endpoint["Url"] ?? string.Empty);
        }

        if (any)
        {
            yield break;
        }

        foreach (string address in Split(configuration["urls"]))
        {
            yield return ("urls", address);
        }

        foreach (string key in (string[])["http_ports", "https_ports"])
        {
            foreach (string port in Split(configuration[key]))
            {
                yield return (key, $"*:{port}");
            }
        }
    }

    private static string[] Split(string? list) =>
        (list ?? string.Empty).Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static bool IsLoopback(string address)
    {
        try
        {
            BindingAddress parsed = BindingAddress.Parse(address);
            return parsed.IsUnixPipe || parsed.IsNamedPipe || IsLoopbackHost(parsed.Host);
        }
        catch (FormatException)
        {
            return false;
        }
    }
}
