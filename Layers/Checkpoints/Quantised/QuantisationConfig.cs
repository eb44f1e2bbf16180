using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace NativeFfn.Checkpoints.Quantised;

/// <summary>An object of a configuration that says how a checkpoint was quantised; a key that is null counts as absent.</summary>
/// <param name="path">The file.</param>
/// <param name="values">The object.</param>
internal sealed class QuantisationConfig(string path, JsonElement values)
{
    // Patterns come from a file that is not trusted; names are short, so that an honest one takes microseconds.
    private static readonly TimeSpan PatternLimit = TimeSpan.FromMilliseconds(100);

    /// <summary>The file.</summary>
    public string Path => path;

    /// <summary>Whether a key is there.</summary>
    public bool Has(string key) => Value(key) is not null;

    /// <summary>An integer within bounds.</summary>
    public int Integer(string key, int least, int most, int? absent = null)
    {
        if (Value(key) is not { } value)
        {
            return absent ?? throw Missing(key);
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= least && number <= most
            ? number
            : throw Wrong(key, value, $"an integer from {least} to {most}");
    }

    /// <summary>A pair of integers from 1 on, as a list or in the form <c>128x128</c>, or null where the key is absent.</summary>
    public (int First, int Second)? Pair(string key)
    {
        if (Value(key) is not { } value)
        {
            return null;
        }

        if (value.ValueKind == JsonValueKind.String && Text(key)!.Split('x') is [var left, var right]
            && int.TryParse(left, NumberStyles.None, CultureInfo.InvariantCulture, out int before) && before >= 1
            && int.TryParse(right, NumberStyles.None, CultureInfo.InvariantCulture, out int after) && after >= 1)
        {
            return (before, after);
        }

        return value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 2
            && value[0].ValueKind == JsonValueKind.Number && value[0].TryGetInt32(out int first) && first >= 1
            && value[1].ValueKind == JsonValueKind.Number && value[1].TryGetInt32(out int second) && second >= 1
            ? (first, second)
            : throw Wrong(key, value, "two integers from 1 on");
    }

    /// <summary>A flag.</summary>
    public bool Flag(string key, bool absent) => Value(key) is not { } value
        ? absent
        : value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Wrong(key, value, "true or false"),
        };

    /// <summary>A text.</summary>
    public string? Text(string key) => Value(key) is { } value ? CheckpointJson.Text(path, key, value) : null;

    /// <summary>A number.</summary>
    public double Number(string key, double absent) => Value(key) is not { } value
        ? absent
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number)
            ? number
            : throw Wrong(key, value, "a number");

    /// <summary>The texts of a list, or the text that stands in its place; none where the key is absent.</summary>
    public IEnumerable<string> Texts(string key) => Value(key) is not { } value ? []
        : value.ValueKind == JsonValueKind.String ? [CheckpointJson.Text(path, key, value)]
        : value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray().Select(item => CheckpointJson.Text(path, key, item))
            : throw Wrong(key, value, "a list of strings");

    /// <summary>An object, or null where the key is absent or has none.</summary>
    public QuantisationConfig? Object(string key) =>
        Value(key) is { ValueKind: JsonValueKind.Object } value ? new QuantisationConfig(path, value) : null;

    /// <summary>The objects among the values, by key, in the file's order.</summary>
    public IEnumerable<(string Key, QuantisationConfig Value)> Objects() => values.EnumerateObject()
        .Where(static property => property.Value.ValueKind == JsonValueKind.Object)
        .Select(property => (property.Name, new QuantisationConfig(path, property.Value)));

    /// <summary>Whether a pattern of the file is found in a module's path.</summary>
    public bool Matches(string pattern, string module)
    {
        try
        {
            return Regex.IsMatch(module, pattern, RegexOptions.CultureInvariant, PatternLimit);
        }
        catch (Exception problem) when (problem is ArgumentException or RegexMatchTimeoutException)
        {
            throw new CheckpointException(
                $"{path}: has the pattern {CheckpointText.Quote(pattern)}, which cannot be matched. Correct it.", problem);
        }
    }

    /// <summary>The refusal of a key's value, in the words of whoever reads it.</summary>
    public CheckpointException Wrong(string key, string problem) => new($"{path}: {CheckpointText.Quote(key)} is {problem}.");

    private CheckpointException Wrong(string key, JsonElement value, string expected) =>
        Wrong(key, $"{CheckpointJson.Raw(value)}; it must be {expected}");

    private CheckpointException Missing(string key) =>
        new($"{path}: has no {CheckpointText.Quote(key)}, which its method of quantisation needs.");

    private JsonElement? Value(string key) =>
        values.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
