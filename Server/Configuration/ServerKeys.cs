using System.Globalization;

namespace NativeFfn.Server.Configuration;

/// <summary>The keys of the section <c>Server</c>. One that is none, or that has another form, would be ignored without a word.</summary>
/// <remarks>No value is repeated in a message: it may be a key of the server under a name that was misspelt.</remarks>
internal static class ServerKeys
{
    private const string Explorer = nameof(ServerOptions.Explorer);
    private const string List = nameof(ServerOptions.ApiKeys);

    private static readonly string[] Values =
    [
        nameof(ServerOptions.MaxRequestBytes), nameof(ServerOptions.MaxBufferedBytes), nameof(ServerOptions.MaxConnections),
        $"{Explorer}:{nameof(ExplorerOptions.Enabled)}", $"{Explorer}:{nameof(ExplorerOptions.MaxTokens)}",
    ];

    /// <summary>Refuses keys that the section does not have.</summary>
    /// <exception cref="ConfigurationException">There is one; the message names it and those that there are.</exception>
    public static void RequireKnown(IConfigurationSection section)
    {
        if (!string.IsNullOrEmpty(section.Value))
        {
            throw new ConfigurationException($"{section.Path} has a value itself, but is a section. {ThereAre(section)}");
        }

        foreach ((string key, string? value) in section.AsEnumerable(makePathsRelative: true))
        {
            Require(section, key, value);
        }
    }

    private static void Require(IConfigurationSection section, string key, string? value)
    {
        bool empty = string.IsNullOrEmpty(value);
        if (IsKey(key, List))
        {
            if (!empty)
            {
                throw new ConfigurationException(
                    $"{section.Path}:{List} has one value, but is a list; set its places, the first as {section.Path}:{List}:0 " +
                    $"({section.Path}__{List}__0 in the environment).");
            }
        }
        else if (key.StartsWith(List + ConfigurationPath.KeyDelimiter, StringComparison.OrdinalIgnoreCase))
        {
            if (empty || !int.TryParse(key[(List.Length + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out _))
            {
                throw new ConfigurationException(
                    $"{section.Path}:{key} is no API key: the places of the list are numbers, " +
                    $"the first {section.Path}:{List}:0, and each has a key.");
            }
        }
        else if (!Values.Any(known => IsKey(key, known)) && !(empty && IsKey(key, Explorer)))
        {
            throw new ConfigurationException($"{section.Path}:{key} is no option. {ThereAre(section)}");
        }
    }

    private static string ThereAre(IConfigurationSection section) =>
        $"There are {string.Join(", ", Values.Prepend(List + ":0").Select(key => $"{section.Path}:{key}"))}.";

    private static bool IsKey(string key, string other) => string.Equals(key, other, StringComparison.OrdinalIgnoreCase);
}
