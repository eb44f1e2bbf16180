using System.Collections.Immutable;
using System.Text.Json;
using NativeFfn.Checkpoints.Families;

namespace NativeFfn.Checkpoints;

/// <summary>
/// A checkpoint's <c>config.json</c>, or what its tensor file has in its place: numbers are strict, a key that is null counts as absent.
/// </summary>
/// <remarks>
/// A key may be several, <c>a|b</c>, of which the first that is there counts, and may lead into an object, <c>a.b</c>; a key that has the
/// dot in its own name, as GGUF's have, is found too.
/// </remarks>
internal sealed class CheckpointConfig
{
    // Real configurations have some kilobytes.
    private const int MaxBytes = 16 * 1024 * 1024;

    /// <summary>No dimension and no count of layers comes near; the bound keeps products of two in 64 bits with room to spare.</summary>
    public const int MaxSize = 1 << 24;

    private readonly Dictionary<string, JsonElement> _values;
    private readonly string _section;

    /// <summary>A configuration of values by key, none of them null.</summary>
    /// <param name="path">The file that has them.</param>
    /// <param name="values">The values.</param>
    /// <param name="section">What stands before the keys in messages: the objects that the values are in, each with a dot.</param>
    public CheckpointConfig(string path, Dictionary<string, JsonElement> values, string section = "")
    {
        Path = path;
        _values = values;
        _section = section;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    public static CheckpointConfig Read(string path)
    {
        using JsonDocument document = CheckpointJson.ParseObject(path, MaxBytes, "a model's configuration", mayRepeat: true);
        return new CheckpointConfig(path, Values(document.RootElement.Clone()));
    }

    public bool Has(string key) => TryFind(key, out _, out _);

    /// <summary>Of the keys that are alternatives the one that is there, or the first.</summary>
    public string Found(string keys)
    {
        _ = TryFind(keys, out string key, out _);
        return key;
    }

    /// <summary>The configuration of a part, which is an object of this one; null where there is none.</summary>
    /// <param name="key">The object's key.</param>
    public CheckpointConfig? Section(string key) => TryFind(key, out string found, out JsonElement value) ? Part(found, value) : null;

    /// <summary>The configuration of a part, which is an object in a list; null where there is no such list.</summary>
    /// <param name="key">The list's key.</param>
    /// <param name="place">The object's place in the list.</param>
    public CheckpointConfig? Item(string key, int place)
    {
        if (!TryFind(key, out string found, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Array && place < value.GetArrayLength()
            ? Part($"{found}[{place}]", value[place])
            : throw Wrong(found, value, $"a list with an object for layer {place}");
    }

    /// <summary>A dimension that is one for all layers or a list with one for each; 0 where a list says that the layer has none.</summary>
    /// <param name="key">The key.</param>
    /// <param name="layer">The layer's index.</param>
    /// <param name="absent">The value where the key is absent; null where it must be there.</param>
    public int SizeAt(string key, int layer, int? absent = null)
    {
        if (!TryFind(key, out string found, out JsonElement value) || value.ValueKind != JsonValueKind.Array)
        {
            return Size(key, absent);
        }

        ImmutableArray<int> sizes = Counts(found);
        return layer < sizes.Length
            ? sizes[layer]
            : throw Wrong(found, $"a list of {sizes.Length}, which has none for layer {layer}");
    }

    /// <summary>A dimension or a count: an integer from 1 to a bound that no model comes near.</summary>
    public int Size(string key, int? absent = null)
    {
        if (!TryFind(key, out key, out JsonElement value))
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
        if (!TryFind(key, out key, out JsonElement value))
        {
            return absent ?? throw Missing(key);
        }

        return IsCount(value, out int count) ? count : throw Wrong(key, value, $"an integer from 0 to {MaxSize}");
    }

    /// <summary>A count that is one for all layers or a list with one for each.</summary>
    /// <param name="key">The key.</param>
    /// <param name="layer">The layer's index.</param>
    /// <param name="absent">The value where the key is absent; null where it must be there.</param>
    public int CountAt(string key, int layer, int? absent = null) =>
        TryFind(key, out _, out JsonElement value) && value.ValueKind == JsonValueKind.Array ? SizeAt(key, layer) : Count(key, absent);

    /// <summary>A list of counts from 0; absent means empty.</summary>
    public ImmutableArray<int> Counts(string key)
    {
        if (!TryFind(key, out key, out JsonElement value))
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

    /// <summary>A list of texts; absent means empty.</summary>
    public ImmutableArray<string> Texts(string key)
    {
        if (!TryFind(key, out key, out JsonElement value))
        {
            return [];
        }

        return value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Select(item => CheckpointJson.Text(Path, _section + key, item))]
            : throw Wrong(key, value, "a list of strings");
    }

    /// <summary>
    /// A factor of a list of factors, by its place; the one that is meant where the key is absent or the list ends before.
    /// </summary>
    public float FactorAt(string key, int place, float absent)
    {
        if (!TryFind(key, out key, out JsonElement value))
        {
            return absent;
        }

        JsonElement item = value.ValueKind != JsonValueKind.Array ? value : place < value.GetArrayLength() ? value[place] : default;
        return item.ValueKind switch
        {
            JsonValueKind.Undefined => absent,
            JsonValueKind.Number when item.TryGetSingle(out float factor) && float.IsFinite(factor) => factor,
            _ => throw Wrong(key, item, "a finite number or a list of them"),
        };
    }

    /// <summary>A factor of a row of the table.</summary>
    public float Factor(Keyed<float> factor) => factor.Key is { } key ? Factor(key, factor.Absent) : factor.Absent;

    /// <summary>A factor: a finite number.</summary>
    public float Factor(string key, float absent)
    {
        if (!TryFind(key, out key, out JsonElement value))
        {
            return absent;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float factor) && float.IsFinite(factor)
            ? factor
            : throw Wrong(key, value, "a finite number");
    }

    public bool Flag(Keyed<bool> flag) => flag.Key is null || !TryFind(flag.Key, out string key, out JsonElement value)
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
        if (!TryFind(key, out key, out JsonElement value))
        {
            return absent;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double epsilon) && epsilon is >= 0 and < 1
            ? (float)epsilon
            : throw Wrong(key, value, "a number from 0 to below 1");
    }

    public string Text(string key, string? absent = null) => TryFind(key, out key, out JsonElement value)
        ? CheckpointJson.Text(Path, _section + key, value)
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
    public CheckpointException Wrong(string key, string problem) => new($"{Path}: {CheckpointText.Quote(_section + key)} is {problem}.");

    private static bool IsCount(JsonElement value, out int count)
    {
        count = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out count) && count is >= 0 and <= MaxSize;
    }

    private CheckpointException Wrong(string key, JsonElement value, string expected) => Wrong(key, $"{CheckpointJson.Raw(value)}; it must be {expected}");

    private CheckpointConfig Part(string key, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw Wrong(key, value, "an object");
        }

        return new CheckpointConfig(Path, Values(value), $"{_section}{key}.");
    }

    // Of a key that stands there twice the last counts, as in Python.
    private static Dictionary<string, JsonElement> Values(JsonElement of)
    {
        var values = new Dictionary<string, JsonElement>();
        foreach (JsonProperty entry in of.EnumerateObject())
        {
            values.Remove(entry.Name);
            if (entry.Value.ValueKind != JsonValueKind.Null)
            {
                values[entry.Name] = entry.Value;
            }
        }

        return values;
    }

    // Of several keys none of which is there, the first is named.
    private bool TryFind(string keys, out string key, out JsonElement value)
    {
        foreach (string candidate in keys.Split('|'))
        {
            if (TryGet(candidate, out value))
            {
                key = candidate;
                return true;
            }
        }

        key = keys.Split('|')[0];
        value = default;
        return false;
    }

    private bool TryGet(string key, out JsonElement value)
    {
        if (_values.TryGetValue(key, out value))
        {
            return true;
        }

        string[] parts = key.Split('.');
        if (parts.Length == 1 || !_values.TryGetValue(parts[0], out value))
        {
            return false;
        }

        foreach (string part in parts[1..])
        {
            if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty(part, out value) || value.ValueKind == JsonValueKind.Null)
            {
                return false;
            }
        }

        return true;
    }

    private CheckpointException Missing(string key) => new($"{Path}: has no {CheckpointText.Quote(_section + key)}, which a model of its type needs.");
}
