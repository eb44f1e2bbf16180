using System.Collections.Immutable;

namespace NativeFfn.Server.Configuration;

/// <summary>What the words of the command line are made from, and which keys there are.</summary>
internal static class ServerOptionTable
{
    private static readonly ServerOptions Defaults = new();

    /// <summary>Every key below the section that has one value, with what it is for.</summary>
    public static ImmutableArray<(string Key, string Description)> Values { get; } =
    [
        (nameof(ServerOptions.MaxRequestBytes), $"Bytes of the largest body. Default: {Defaults.MaxRequestBytes}."),
        (nameof(ServerOptions.MaxBufferedBytes), $"Bytes of all bodies and answers together. Default: {Defaults.MaxBufferedBytes}."),
        (nameof(ServerOptions.MaxConnections), $"Connections at a time. Default: {Defaults.MaxConnections}."),
        ($"{nameof(ServerOptions.Explorer)}:{nameof(ExplorerOptions.Enabled)}", "Whether the page is served; true, false. Default: true."),
        ($"{nameof(ServerOptions.Explorer)}:{nameof(ExplorerOptions.MaxTokens)}",
            $"The most rows of one traced forward. Default: {Defaults.Explorer.MaxTokens}."),
    ];
}
