using System.Collections.Immutable;

namespace NativeFfn.Server.Configuration;

/// <summary>What the words of the command line are made from, and which keys there are.</summary>
internal static class ServerOptionTable
{
    /// <summary>Every key below the section that has one value, with what it is for.</summary>
    public static ImmutableArray<(string Key, string Description)> Values { get; } =
    [
        (nameof(ServerOptions.MaxRequestBytes), "The largest body. Default: 16 MiB."),
        (nameof(ServerOptions.MaxBufferedBytes), "Bytes of all bodies and answers together. Default: 1 GiB."),
        (nameof(ServerOptions.MaxConnections), "Connections at a time. Default: 4096."),
        ($"{nameof(ServerOptions.Explorer)}:{nameof(ExplorerOptions.Enabled)}", "Whether the page is served; true, false. Default: true."),
        ($"{nameof(ServerOptions.Explorer)}:{nameof(ExplorerOptions.MaxTokens)}", "The most rows of one traced forward. Default: 64."),
    ];
}
