using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace NativeFfn.Hosting;

/// <summary>Reads options from a section. A key that is none, or a value of the wrong type, is refused by its full name.</summary>
internal static class OptionsBinder
{
    /// <exception cref="OptionsValidationException">A key does not exist, or its value is of the wrong type.</exception>
    public static void Bind(IConfigurationSection section, NativeFfnOptions options)
    {
        options.Section = section.Path;
        string known = string.Join(", ", OptionTable.All.Select(static option => option.Key));
        List<string> failures = [.. section.AsEnumerable(makePathsRelative: true)
            .Where(static pair => pair.Key.Length > 0 && !IsKnown(pair.Key, isEmpty: string.IsNullOrEmpty(pair.Value)))
            .Select(pair => $"{section.Path}:{pair.Key} is no option. There are {known}.")];
        string tokens = OptionTable.WarmupKey(nameof(FfnWarmupOptions.Tokens));
        if (!string.IsNullOrEmpty(section.Value))
        {
            failures.Add($"{section.Path} is '{section.Value}', but is a section. There are {known}.");
        }

        if (section[tokens] is { Length: > 0 } list)
        {
            failures.Add(
                $"{section.Path}:{tokens} is '{list}'. Allowed: {OptionTable.AllowedOf(tokens)}, whose places are keys, the first " +
                $"{section.Path}:{tokens}:0.");
        }

        foreach (FfnEngineOption option in OptionTable.OfEngine)
        {
            if (section[option.Name] is not { Length: > 0 } text)
            {
                continue;
            }

            if (option.TrySet(options.Engine, text, out FfnEngineOptions? changed))
            {
                options.Engine = changed;
            }
            else
            {
                failures.Add($"{section.Path}:{option.Name} is '{text}'. Allowed: {option.Allowed}.");
            }
        }

        if (failures.Count > 0)
        {
            throw Invalid(failures);
        }

        try
        {
            section.Bind(options);
        }
        catch (InvalidOperationException exception)
        {
            string allowed = OptionTable.All
                .Where(option => exception.Message.Contains($"'{section.Path}:{option.Key}", StringComparison.OrdinalIgnoreCase))
                .Select(static option => $" Allowed: {option.Allowed}.").FirstOrDefault(string.Empty);
            throw Invalid([$"{exception.Message.TrimEnd('.')}.{allowed}"]);
        }
    }

    private static OptionsValidationException Invalid(IEnumerable<string> failures) =>
        new(nameof(NativeFfnOptions), typeof(NativeFfnOptions), failures);

    // A model's name and the places of a list stand where the table has neither.
    private static bool IsKnown(string key, bool isEmpty)
    {
        string[] parts = key.Split(ConfigurationPath.KeyDelimiter);
        if (parts.Length > 1 && IsKey(parts[0], nameof(NativeFfnOptions.Models)))
        {
            parts[1] = OptionTable.AnyModel;
        }

        if (parts.Length == 3 && IsKey(string.Join(':', parts[..2]), OptionTable.WarmupKey(nameof(FfnWarmupOptions.Tokens)))
            && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            parts = parts[..2];
        }

        string known = string.Join(':', parts);
        return OptionTable.All.Any(option => IsKey(option.Key, known)
            || (isEmpty && option.Key.StartsWith(known + ConfigurationPath.KeyDelimiter, StringComparison.OrdinalIgnoreCase)));
    }

    private static bool IsKey(string key, string other) => string.Equals(key, other, StringComparison.OrdinalIgnoreCase);
}
