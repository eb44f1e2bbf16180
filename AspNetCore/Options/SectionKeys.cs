using System.Globalization;

namespace NativeFfn.AspNetCore;

/// <summary>The keys of a section with one list. One that is none, or that has another form, would be ignored without a word.</summary>
/// <remarks>No value is repeated: it may be an API key under a name that was misspelt.</remarks>
/// <param name="list">The key of the list.</param>
/// <param name="values">The keys of single values.</param>
internal sealed class SectionKeys(string list, params string[] values)
{
    /// <summary>Why a section is refused: a key that is none, or a value where a list should be; null where all is well.</summary>
    public string? WhyRefused(IConfigurationSection section) => !string.IsNullOrEmpty(section.Value)
        ? $"{section.Path} has a value itself, but is a section. {ThereAre(section)}"
        : section.AsEnumerable(makePathsRelative: true).Where(static pair => pair.Key.Length > 0)
            .Select(pair => WhyRefused(section, pair.Key, isEmpty: string.IsNullOrEmpty(pair.Value)))
            .FirstOrDefault(static why => why is not null);

    private string? WhyRefused(IConfigurationSection section, string key, bool isEmpty)
    {
        if (IsKey(key, list))
        {
            return isEmpty
                ? null
                : $"{section.Path}:{list} has one value, but is a list; set its places, the first as {section.Path}:{list}:0 " +
                $"({section.Path}__{list}__0 in the environment).";
        }

        if (IsBelow(key, list))
        {
            return !isEmpty && int.TryParse(key[(list.Length + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out _)
                ? null
                : $"{section.Path}:{key} is no API key: the places of the list are numbers, the first {section.Path}:{list}:0, and each " +
                "has a key.";
        }

        return values.Any(known => IsKey(key, known) || (isEmpty && IsBelow(known, key)))
            ? null
            : $"{section.Path}:{key} is no option. {ThereAre(section)}";
    }

    private string ThereAre(IConfigurationSection section) =>
        $"There are {string.Join(", ", values.Prepend(list + ":0").Select(key => $"{section.Path}:{key}"))}.";

    private static bool IsKey(string key, string other) => string.Equals(key, other, StringComparison.OrdinalIgnoreCase);

    private static bool IsBelow(string key, string parent) =>
        key.StartsWith(parent + ConfigurationPath.KeyDelimiter, StringComparison.OrdinalIgnoreCase);
}
