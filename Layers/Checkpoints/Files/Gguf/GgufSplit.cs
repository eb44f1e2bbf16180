using System.Globalization;

namespace NativeFfn.Checkpoints.Files.Gguf;

/// <summary>What a GGUF file says of the split that it is a part of.</summary>
/// <param name="Number">The part's number, from 0.</param>
/// <param name="Count">Parts of the split.</param>
internal readonly record struct GgufSplit(int Number, int Count)
{
    private const string CountKey = "split.count";

    /// <summary>The split of a file, or null where the file is whole.</summary>
    public static GgufSplit? Of(GgufFile file)
    {
        CheckpointConfig metadata = file.Metadata;
        int count = metadata.Count(CountKey, 0);
        return count > 1 ? new GgufSplit(metadata.Count("split.no"), count) : null;
    }
}

/// <summary>The name of a part of a split: <c>PREFIX-00001-of-00003.gguf</c>, counted from 1.</summary>
/// <param name="Prefix">The path up to the numbers.</param>
/// <param name="Number">The part's number, from 1.</param>
/// <param name="Count">Parts of the split.</param>
internal sealed record GgufPartName(string Prefix, int Number, int Count)
{
    private const string Extension = ".gguf";
    private const int Digits = 5;

    /// <summary>The part of a path, or null where it is not named like one.</summary>
    public static GgufPartName? Parse(string path)
    {
        const int length = 1 + Digits + 4 + Digits;
        if (!path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) || path.Length < length + Extension.Length)
        {
            return null;
        }

        int start = path.Length - Extension.Length - length;
        ReadOnlySpan<char> numbers = path.AsSpan(start, length);
        return numbers[0] == '-' && numbers[(1 + Digits)..^Digits] is "-of-"
            && int.TryParse(numbers.Slice(1, Digits), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && int.TryParse(numbers[^Digits..], NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            ? new GgufPartName(path[..start], number, count)
            : null;
    }

    /// <summary>The first of files that are the parts of one split; null where there are others among them.</summary>
    public static string? FirstOf(IEnumerable<string> paths)
    {
        GgufPartName?[] parts = [.. paths.Select(Parse).OrderBy(static part => part?.Number)];
        return parts is [{ } first, ..] && parts.All(part => part == first with { Number = part?.Number ?? 0 })
            ? first.PathOf(first.Number)
            : null;
    }

    /// <summary>The path of another part.</summary>
    public string PathOf(int number) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}-{number:D5}-of-{Count:D5}{Extension}");
}
