using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Cli.Options;

/// <summary>Options of <c>bench</c> and of the measuring tool.</summary>
internal static class BenchOptions
{
    private const string AllBackends = "all";
    private const string AllCounts = "all";
    private const int MaxTokens = 1 << 20;
    private const double MaxSeconds = 3600;

    public static Option<BenchPreset?> Preset() => OptionFactory.Word<BenchPreset?>(
        "--preset",
        "NAME",
        "Shape and kind of a well-known network: " + string.Join(", ", PresetNames()) + ".",
        "one of " + string.Join(", ", PresetNames()),
        BenchPreset.TryParse);

    /// <summary>Token counts; the value is <c>default</c> where the option was left out.</summary>
    /// <param name="byDefault">What is measured then.</param>
    /// <param name="most">The largest count.</param>
    /// <param name="all">What the word <c>all</c> stands for; empty where there is no such word.</param>
    public static Option<ImmutableArray<int>> Tokens(
        ImmutableArray<int> byDefault, int most = MaxTokens, params ImmutableArray<int> all)
    {
        string named = all.IsEmpty ? string.Empty : $", or {AllCounts} for {string.Join(',', all)}";
        return OptionFactory.Word(
            "--tokens",
            "LIST",
            $"Token counts{named}; {string.Join(',', byDefault)} if left out.",
            $"whole numbers from 1 to {most} with commas between them, such as 1,4,16{named}",
            (string text, out ImmutableArray<int> counts) =>
            {
                counts = all;
                return (text == AllCounts && !all.IsEmpty) || OptionFactory.TryReadList(text, CountUpTo(most), out counts);
            });
    }

    /// <summary>Backends; the value is <c>default</c> where the option was left out, and empty for all.</summary>
    public static Option<ImmutableArray<BackendKind>> Backends()
    {
        string names = $"{AllBackends}, {string.Join(", ", Names<BackendKind>.All)}";
        return OptionFactory.Word<ImmutableArray<BackendKind>>(
            "--backend",
            "LIST",
            $"Backends to compare, with commas between them ({names}); every available one but the reference if left out.",
            $"one or several of {names} with commas between them",
            TryParseBackends);
    }

    public static Option<double> Seconds(string description = "Time for each backend in each precision at each token count.", double byDefault = 1)
    {
        Option<double> option = OptionFactory.Word(
            "--seconds",
            "S",
            description,
            $"a number above 0, at most {MaxSeconds}",
            static (string word, out double value) =>
                double.TryParse(word, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value) && value is > 0 and <= MaxSeconds);
        option.DefaultValueFactory = _ => byDefault;
        return option;
    }

    public static Option<bool> Resident() => new("--resident")
    {
        Description = "Keep one copy of the weights, in the cache if it fits; else copies take turns, so that weights come from memory.",
    };

    private static WordReader<int> CountUpTo(int most) => (string word, out int count) =>
        int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count >= 1 && count <= most;

    private static IEnumerable<string> PresetNames() => BenchPreset.All.Select(static preset => preset.Name);

    private static bool TryParseBackends(string text, out ImmutableArray<BackendKind> backends)
    {
        backends = [];
        if (text == AllBackends)
        {
            return true;
        }

        foreach (string word in text.Split(','))
        {
            if (!Names<BackendKind>.TryParse(word, out BackendKind kind) || backends.Contains(kind))
            {
                return false;
            }

            backends = backends.Add(kind);
        }

        return true;
    }
}
