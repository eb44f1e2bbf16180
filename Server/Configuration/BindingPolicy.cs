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

    /// <summary>Refuses an address that cannot be listened on, before the start would end in it.</summary>
    /// <exception cref="ConfigurationException">There is such an address; the message names its key.</exception>
    public static void RequireAddresses(IConfiguration configuration)
    {
        foreach ((string key, string address) in Addresses(configuration))
        {
            if (WhyNoAddress(address) is { } why)
            {
                throw new ConfigurationException(
                    $"{key} is '{address}', {why}. Give a scheme, a host and a port, such as http://127.0.0.1:8080.");
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

    private static string? WhyNoAddress(string address)
    {
        BindingAddress parsed;
        try
        {
            // Older keys of ports have no scheme.
            parsed = BindingAddress.Parse(address.StartsWith("*:", StringComparison.Ordinal) ? $"http://{address}" : address);
        }
        catch (FormatException)
        {
            return "which is no address";
        }

        if (parsed.Scheme is not ("http" or "https"))
        {
            return $"whose scheme '{parsed.Scheme}' is neither http nor https";
        }

        if (parsed.PathBase.Length > 0)
        {
            return $"which has a path, '{parsed.PathBase}', that the server does not listen under";
        }

        if (parsed.IsUnixPipe || parsed.IsNamedPipe)
        {
            return null;
        }

        if (parsed.Port is < 0 or > ushort.MaxValue)
        {
            return $"whose port {parsed.Port} is beyond {ushort.MaxValue}";
        }

        if (parsed.Host.Contains(':', StringComparison.Ordinal) && !parsed.Host.StartsWith('['))
        {
            return "whose port is no number";
        }

        return parsed.Port == 0 && parsed.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            ? "but a free port (0) needs one address, 127.0.0.1 or [::1], and localhost is both" : null;
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
