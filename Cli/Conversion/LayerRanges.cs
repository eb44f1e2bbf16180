using System.Globalization;

namespace NativeFfn.Cli.Conversion;

/// <summary>Layers by number: <c>all</c>, or numbers and ranges with commas between them, such as <c>0,2-5</c>.</summary>
/// <param name="Text">As it was written.</param>
internal sealed record LayerRanges(string Text)
{
    private const string All = "all";

    private IReadOnlyList<(int First, int Last)> Ranges { get; init; } = [];

    public static bool TryParse(string word, out LayerRanges selection)
    {
        var ranges = new List<(int, int)>();
        foreach (string part in word == All ? [] : word.Split(','))
        {
            string[] ends = part.Split('-');
            if (ends.Length > 2
                || !int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out int first)
                || !int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int last)
                || last < first)
            {
                selection = null!;
                return false;
            }

            ranges.Add((first, last));
        }

        selection = new LayerRanges(word) { Ranges = ranges };
        return true;
    }

    /// <summary>The layers of a model that are meant, each once.</summary>
    /// <exception cref="UsageException">The model has no such layer.</exception>
    public IReadOnlyList<int> Of(int layerCount)
    {
        if (Ranges.FirstOrDefault(range => range.Last >= layerCount) is (_, > 0) beyond)
        {
            throw new UsageException($"--layers '{Text}' names layer {beyond.Last}; the model has {layerCount}, counted from 0.");
        }

        return Text == All
            ? [.. Enumerable.Range(0, layerCount)]
            : [.. Ranges.SelectMany(static range => Enumerable.Range(range.First, range.Last - range.First + 1)).Distinct().Order()];
    }
}
