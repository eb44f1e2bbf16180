using System.Collections;

namespace NativeFfn.Server.Configuration;

/// <summary>
/// The models' names as they were written. Keys do not tell upper from lower case, so one of two such models would be lost.
/// </summary>
internal static class ModelNames
{
    private const string Models = "NativeFfn:Models";
    private const string Path = "Path";

    // Whose variables are the configuration's keys as well, without it.
    private static readonly string[] Prefixes = ["ASPNETCORE_", "DOTNET_"];

    /// <summary>Refuses two models that differ in nothing but case.</summary>
    /// <param name="configuration">Where every source has its own spelling.</param>
    /// <param name="arguments">The command line, which as one source has one spelling only.</param>
    /// <param name="environment">Variables by name, for the same reason.</param>
    /// <exception cref="ConfigurationException">There are two.</exception>
    public static void RequireDistinct(IConfigurationRoot configuration, string[] arguments, IDictionary environment)
    {
        var names = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (string name in OfProviders(configuration).Concat(OfKeys(arguments.Select(KeyOf))).Concat(OfKeys(KeysOf(environment))))
        {
            if (!names.TryAdd(name, name) && names[name] != name)
            {
                throw new ConfigurationException(
                    $"{Models} has the Path of '{names[name]}' and of '{name}', which differ in case only and are one key. " +
                    "Rename one, or spell both the same way.");
            }
        }
    }

    private static IEnumerable<string> OfProviders(IConfigurationRoot configuration) =>
        from provider in configuration.Providers
        from name in provider.GetChildKeys([], Models)
        where provider.TryGet($"{Models}:{name}:{Path}", out string? path) && !string.IsNullOrEmpty(path)
        select name;

    private static IEnumerable<string> OfKeys(IEnumerable<string> keys)
    {
        foreach (string key in keys)
        {
            string[] parts = key.Split(ConfigurationPath.KeyDelimiter);
            if (parts.Length == 4 && IsKey($"{parts[0]}:{parts[1]}", Models) && IsKey(parts[3], Path))
            {
                yield return parts[2];
            }
        }
    }

    private static string KeyOf(string argument) => argument.TrimStart('-', '/').Split('=')[0];

    private static IEnumerable<string> KeysOf(IDictionary environment) =>
        from string name in environment.Keys
        let prefix = Prefixes.FirstOrDefault(prefix => name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase), string.Empty)
        select name[prefix.Length..].Replace("__", ConfigurationPath.KeyDelimiter, StringComparison.Ordinal);

    private static bool IsKey(string key, string other) => string.Equals(key, other, StringComparison.OrdinalIgnoreCase);
}
