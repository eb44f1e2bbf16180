using System.Collections.Immutable;
using System.Text.Json;
using NativeFfn.Checkpoints.Families;

namespace NativeFfn.Checkpoints;

/// <summary>A checkpoint's <c>config.json</c>, or what its tensor file has in its place: numbers are strict, a key that is null counts as absent.</summary>
internal sealed class CheckpointConfig
{
    // Real configurations have some kilobytes.
    private const int MaxBytes = 16 * 1024 * 1024;

    // No dimension and no count of layers comes near; the bound keeps products of two in 64 bits with room to spare.
    private const int MaxSize = 1 << 24;

    private readonly Dictionary<string, JsonElement> _values;

    /// <summary>A configuration of values by key, none of them null.</summary>
    /// <param name="path">The file that has them.</param>
    /// <param name="values">The values.</param>
    public CheckpointConfig(string path, Dictionary<string, JsonElement> values)
    {
        Path = path;
        _values = values;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    public static CheckpointConfig Read(string path)
    {
        using JsonDocument document = CheckpointJson.ParseObject(path, MaxBytes, "a model's configuration", mayRepeat: true);
        var config = new CheckpointConfig(path, []);
        try
        {
            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                // Of a key that stands there twice the last counts, as in Python.
                config._values.Remove(property.Name);
                if (property.Value.ValueKind != JsonValueKind.Null)
                {
                    config._values[property.Name] = property.Value.Clone();
                }
            }
        }
        catch (InvalidOperationException problem)
        {
            throw new CheckpointException($"{path}: has a key that is no valid text.", problem);
        }

        return config;
    }

    public bool Has(string key) => _values.ContainsKey(key);

    /// <summary>A dimension or a count: an integer from 1 to a bound that no model comes near.</summary>
    public int Size(string key, int? absent = null)
    {
        if (!_values.TryGetValue(key, out JsonElement value))
        {
            return absent ?? throw Missing(key);
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int size) && size is >= 1 and <= MaxSize
            ? size
            : throw Wrong(key, value, $"an integer from 1 to {MaxSize}");
    }

    /// <summary>A count that may be none: an integer from 0 to the same bound.</summary>
    public int Count(string key, int? absent = null)
    {
        if (!_values.TryGetValue(key, out JsonElement value))
        {
            return absent ?? throw Missing(key);
        }

        return IsCount(value, out int count) ? count : throw Wrong(key, value, $"an integer from 0 to {MaxSize}");
    }

    /// <summary>A list of counts from 0; absent means empty.</summary>
    public ImmutableArray<int> Counts(string key)
    {
        if (!_values.TryGetValue(key, out JsonElement value))
        {
            return [];
        }

        string expected = $"a list of integers from 0 to {MaxSize}";
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Wrong(key, value, expected);
        }

        return [.. value.EnumerateArray().Select(item => IsCount(item, out int count) ? count : throw Wrong(key, item, "in " + expected))];
    }

    /// <summary>A factor: a finite number.</summary>
    public float Factor(string key, float absent)
    {
        if (!_values.TryGetValue(key, out JsonElement value))
        {
            return absent;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float factor) && float.IsFinite(factor)
            ? factor
            : throw Wrong(key, value, "a finite number");
    }

    public bool Flag(Keyed<bool> flag) => flag.Key is not { } key || !_values.TryGetValue(key, out JsonElement value)
        ? flag.Absent
        : value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Wrong(key, value, "true or false"),
        };

    /// <summary>A norm's epsilon: a number from 0 to below 1.</summary>
    public float Epsilon(string key, float absent)
    {
        if (!_values.TryGetValue(key, out JsonElement value))
        {
            return absent;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double epsilon) && epsilon is >= 0 and < 1
            ? (float)epsilon
            : throw Wrong(key, value, "a number from 0 to below 1");
    }

    public string Text(string key, string? absent = null) => _values.TryGetValue(key, out JsonElement value)
        ? CheckpointJson.Text(Path, key, value)
        : absent ?? throw Missing(key);

    /// <summary>Refuses every value of a key but one, where a model of the type is known with no other.</summary>
    public void RequireText(string key, string only)
    {
        string text = Text(key, only);
        if (text != only)
        {
            throw Wrong(key, $"{CheckpointText.Quote(text)}; supported is {CheckpointText.Quote(only)} alone");
        }
    }

    /// <summary>What is wrong with the value of a key, in the words of whoever reads it.</summary>
    public CheckpointException Wrong(string key, string problem) => new($"{Path}: {CheckpointText.Quote(key)} is {problem}.");

    private static bool IsCount(JsonElement value, out int count)
    {
        count = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out count) && count is >= 0 and <= MaxSize;
    }

    private CheckpointException Wrong(string key, JsonElement value, string expected) => Wrong(key, $"{CheckpointJson.Raw(value)}; it must be {expected}");

    private CheckpointException Missing(string key) => new($"{Path}: has no {CheckpointText.Quote(key)}, which a model of its type needs.");
}
