using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace NativeFfn.Backends;

/// <summary>Processors by their numbers, as Linux lists them: <c>0-15,32-47</c>.</summary>
internal static class ProcessorList
{
    /// <summary>More processors than Linux is built for, which bounds what a text may ask for.</summary>
    public const int MaxProcessors = 8192;

    /// <summary>Reads a list, which may be empty; no processor may be there twice.</summary>
    /// <param name="text">The list.</param>
    /// <param name="processors">The processors in ascending order.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out ImmutableArray<int> processors)
    {
        processors = [];
        var found = new SortedSet<int>();
        text = text.Trim();
        foreach (Range part in text.Split(','))
        {
            ReadOnlySpan<char> range = text[part];
            int dash = range.IndexOf('-');
            if (!TryNumber(dash < 0 ? range : range[..dash], out int first) || !TryNumber(dash < 0 ? range : range[(dash + 1)..], out int last))
            {
                return text.IsEmpty;
            }

            for (int processor = first; processor <= last; processor++)
            {
                if (!found.Add(processor))
                {
                    return false;
                }
            }

            if (last < first)
            {
                return false;
            }
        }

        processors = [.. found];
        return true;
    }

    /// <summary>The list of some processors in ascending order.</summary>
    public static string Of(ImmutableArray<int> processors)
    {
        var text = new StringBuilder();
        for (int i = 0; i < processors.Length; i++)
        {
            int first = i;
            while (i + 1 < processors.Length && processors[i + 1] == processors[i] + 1)
            {
                i++;
            }

            text.Append(text.Length == 0 ? string.Empty : ",").Append(CultureInfo.InvariantCulture, $"{processors[first]}");
            if (i > first)
            {
                text.Append(CultureInfo.InvariantCulture, $"-{processors[i]}");
            }
        }

        return text.ToString();
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number < MaxProcessors;
}
