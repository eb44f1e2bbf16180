using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace NativeFfn.Cli.Options;

/// <summary>Reads one word of the command line; false where it is none that was expected.</summary>
internal delegate bool WordReader<T>(string word, out T value);

/// <summary>Makes options whose errors name the option, the word and what was expected.</summary>
internal static class OptionFactory
{
    /// <summary>An option with any text as its value.</summary>
    public static Option<string> Text(string name, string valueName, string description, bool required = false) =>
        new(name) { Description = description, HelpName = valueName, Required = required };

    /// <summary>An option with one word, read by <paramref name="read"/>.</summary>
    public static Option<T> Word<T>(string name, string valueName, string description, string expected, WordReader<T> read)
    {
        var option = new Option<T>(name)
        {
            Description = description,
            HelpName = valueName,
            CustomParser = result => Read(result, name, expected, read),
        };
        if (valueName.Contains('|'))
        {
            option.CompletionSources.Add(valueName.Split('|'));
        }

        return option;
    }

    /// <summary>An option with words between commas, none twice; the value is <c>default</c> where it was left out.</summary>
    public static Option<ImmutableArray<T>> List<T>(string name, string description, string expected, WordReader<T> read) =>
        Word(name, "LIST", description, expected, (string text, out ImmutableArray<T> values) => TryReadList(text, read, out values));

    /// <summary>Reads words between commas, none twice; false where one is none that was expected.</summary>
    public static bool TryReadList<T>(string text, WordReader<T> read, out ImmutableArray<T> values)
    {
        values = [];
        foreach (string word in text.Split(','))
        {
            if (!read(word, out T value) || values.Contains(value))
            {
                return false;
            }

            values = values.Add(value);
        }

        return true;
    }

    /// <summary>An option with a whole number within bounds.</summary>
    /// <remarks>Without a default, 0 means that the option was left out.</remarks>
    public static Option<int> Integer(string name, string valueName, string description, int minimum, int maximum, int? byDefault = null)
    {
        Option<int> option = Word(
            name,
            valueName,
            description,
            $"a whole number from {minimum} to {maximum}",
            (string word, out int number) =>
                int.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number)
                    && number >= minimum && number <= maximum);
        if (byDefault is { } value)
        {
            option.DefaultValueFactory = _ => value;
        }

        return option;
    }

    /// <summary>The words that an option of a list was given, or others where it was left out.</summary>
    public static ImmutableArray<T> OrDefault<T>(this ImmutableArray<T> given, ImmutableArray<T> byDefault) => given.IsDefault ? byDefault : given;

    private static T? Read<T>(ArgumentResult result, string name, string expected, WordReader<T> read)
    {
        string word = result.Tokens.Count == 0 ? string.Empty : result.Tokens[0].Value;
        if (read(word, out T value))
        {
            return value;
        }

        result.AddError($"{name} is '{word}', but must be {expected}.");
        return default;
    }
}
