using System.Globalization;

namespace NativeFfn.Hosting.Serving;

/// <summary>Layers of a model as the options spell them: <c>all</c>, or indices and ranges such as <c>0-3,7</c>.</summary>
internal static class LayerSelection
{
    public const string Allowed = "all, or indices and ranges such as 0-3,7";

    // No model has so many layers; a range of billions must not be written out before a checkpoint is asked.
    private const int MaxIndex = 65535;

    private const string All = "all";

    /// <summary>Reads a selection.</summary>
    /// <param name="text">The selection, null for all.</param>
    /// <param name="indices">The indices in ascending order, each once; null for all.</param>
    /// <returns>False where it is no selection.</returns>
    public static bool TryParse(string? text, out IReadOnlyCollection<int>? indices)
    {
        indices = null;
        if (text is null || string.Equals(text.Trim(), All, StringComparison.OrdinalIgnoreCase))
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

        indices = found;
        return true;
    }

    private static bool TryParseIndex(string text, out int index) =>
        int.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out index) && index <= MaxIndex;
}
