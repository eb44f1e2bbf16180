namespace NativeFfn.Cli;

/// <summary>What a mistyped word may have meant.</summary>
internal static class Spelling
{
    // Two slips of the hand, as System.CommandLine and git count them.
    private const int MostEdits = 2;

    /// <summary>The known words that are fewest edits away, where those are few.</summary>
    /// <param name="word">What was typed.</param>
    /// <param name="known">What there is.</param>
    public static string[] Alike(string word, IEnumerable<string> known) => known
        .Select(name => (Name: name, Edits: Edits(word, name)))
        .Where(candidate => candidate.Edits <= MostEdits && candidate.Edits < word.Length - 1)
        .GroupBy(static candidate => candidate.Edits, static candidate => candidate.Name)
        .MinBy(static group => group.Key)?.ToArray() ?? [];

    // Letters inserted, left out, replaced or exchanged with a neighbour: the optimal string alignment distance.
    private static int Edits(string from, string to)
    {
        var edits = new int[from.Length + 1, to.Length + 1];
        for (int i = 0; i <= from.Length; i++)
        {
            for (int j = 0; j <= to.Length; j++)
            {
                edits[i, j] = (i, j) is (0, _) or (_, 0)
                    ? i + j
                    : Math.Min(Math.Min(edits[i - 1, j], edits[i, j - 1]) + 1, edits[i - 1, j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                {
                    edits[i, j] = Math.Min(edits[i, j], edits[i - 2, j - 2] + 1);
                }
            }
        }

        return edits[from.Length, to.Length];
    }
}
