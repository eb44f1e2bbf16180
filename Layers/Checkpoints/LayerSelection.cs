using System.Globalization;

namespace NativeFfn.Checkpoints;

/// <summary>Layers of a model as options spell them: <c>all</c>, or indices and ranges with commas between them, such as <c>0-3,7</c>.</summary>
public sealed class LayerSelection
{
    /// <summary>What a selection may be, in words.</summary>
    public const string Allowed = "all, or indices and ranges such as 0-3,7";

    // No model has so many layers; a range of billions must not be written out before a checkpoint is asked.
    private const int MaxIndex = 65535;

    private readonly int[]? _indices;

    private LayerSelection(string text, int[]? indices) => (Text, _indices) = (text, indices);

    /// <summary>All layers.</summary>
    public static LayerSelection All { get; } = new("all", null);

    /// <summary>The selection as it was written.</summary>
    public string Text { get; }

    /// <summary>The largest index that is named; -1 where none is.</summary>
    public int Last => _indices is null ? -1 : _indices[^1];

    /// <summary>Reads a selection.</summary>
    /// <param name="text">The selection; null for all.</param>
    /// <param name="selection">The selection, where it is one.</param>
    /// <returns>False where it is none.</returns>
    public static bool TryParse(string? text, out LayerSelection selection)
    {
        selection = All;
        if (text is null || string.Equals(text.Trim(), All.Text, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        var found = new SortedSet<int>();
        foreach (string part in text.Split(','))
        {
            string[] ends = part.Split('-');
            if (ends.Length > 2 || !TryParseIndex(ends[0], out int first) || !TryParseIndex(ends[^1], out int last) || last < first)
            {
                return false;
            }

            found.UnionWith(Enumerable.Range(first, last - first + 1));
        }

        selection = new LayerSelection(text, [.. found]);
        return true;
    }

    /// <summary>The selected layers of a model, ascending, each once.</summary>
    /// <param name="layerCount">The model's layers; more than <see cref="Last"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The model has not all of them.</exception>
    public IReadOnlyList<int> Of(int layerCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(layerCount, Last);
        return _indices ?? [.. Enumerable.Range(0, layerCount)];
    }

    private static bool TryParseIndex(string text, out int index) =>
        int.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out index) && index <= MaxIndex;
}
