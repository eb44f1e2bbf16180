using NativeFfn.AspNetCore;

namespace NativeFfn.Server.Configuration;

/// <summary>
/// The section <c>Server</c>: what this program adds to the hosted layers. <c>appsettings.json</c> documents every value.
/// </summary>
internal sealed class ServerOptions
{
    public const string Section = "Server";

    private static readonly NativeFfnEndpointOptions Defaults = new();

    private static readonly SectionKeys Keys = new(
        nameof(ApiKeys),
        nameof(MaxRequestBytes), nameof(MaxBufferedBytes), nameof(MaxConnections),
        $"{nameof(Explorer)}:{nameof(ExplorerOptions.Enabled)}", $"{nameof(Explorer)}:{nameof(ExplorerOptions.MaxTokens)}");

    /// <summary>Keys of which a request must bring one; none where only this machine can connect.</summary>
    public string[] ApiKeys { get; set; } = [];

    /// <summary>The largest body, in bytes: 16 MiB unless configured, 2048 rows of 2048 elements.</summary>
    public long MaxRequestBytes { get; set; } = Defaults.MaxRequestBytes;

    /// <summary>Bytes that the bodies of all requests and their answers may occupy at a time: 1 GiB unless configured.</summary>
    public long MaxBufferedBytes { get; set; } = Defaults.MaxBufferedBytes;

    /// <summary>Connections that may be open at a time.</summary>
    public int MaxConnections { get; set; } = 4096;

    /// <summary>The page that shows a layer from inside.</summary>
    public ExplorerOptions Explorer { get; set; } = new();

    /// <summary>Reads the section.</summary>
    /// <exception cref="ConfigurationException">A key is none, or its value is out of range; the message names it.</exception>
    public static ServerOptions Read(IConfiguration configuration)
    {
        ServerOptions options = Bind(configuration);
        var endpoints = new NativeFfnEndpointOptions { Section = Section };
        options.CopyTo(endpoints);
        if (EndpointOptionsValidator.Failures(endpoints).FirstOrDefault() is { } failure)
        {
            throw new ConfigurationException(failure);
        }

        RequireAtLeast(1, options.MaxConnections, nameof(MaxConnections));
        RequireAtLeast(1, options.Explorer.MaxTokens, $"{nameof(Explorer)}:{nameof(ExplorerOptions.MaxTokens)}");
        return options;
    }

    /// <summary>Gives the endpoints their part.</summary>
    public void CopyTo(NativeFfnEndpointOptions endpoints)
    {
        endpoints.ApiKeys = ApiKeys;
        endpoints.MaxRequestBytes = MaxRequestBytes;
        endpoints.MaxBufferedBytes = MaxBufferedBytes;
    }

    private static ServerOptions Bind(IConfiguration configuration)
    {
        IConfigurationSection section = configuration.GetSection(Section);
        if (Keys.WhyRefused(section) is { } why)
        {
            throw new ConfigurationException(why);
        }

        try
        {
            return section.Get<ServerOptions>() ?? new ServerOptions();
        }
        catch (InvalidOperationException unreadable)
        {
            throw new ConfigurationException(unreadable.Message, unreadable);
        }
    }

    private static void RequireAtLeast(long minimum, long value, string name)
    {
        if (value < minimum)
        {
            throw new ConfigurationException($"{Section}:{name} is {value}, but must be at least {minimum}.");
        }
    }
}

/// <summary>The part <c>Server:Explorer</c>.</summary>
internal sealed class ExplorerOptions
{
    /// <summary>Whether the page and its <c>POST /api/compute/ffn</c> are served.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>The most rows of one traced forward, which keeps every inner value.</summary>
    public int MaxTokens { get; set; } = 64;
}
