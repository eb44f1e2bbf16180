using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using NativeFfn.Cli.Benchmarking;

namespace NativeFfn.Cli.Options;

/// <summary>Options of <c>bench</c> alone.</summary>
internal static class BenchOptions
{
    private const string AllBackends = "all";
    private const int MaxTokens = 1 << 20;
    private const double DefaultSeconds = 1;
    private const double MaxSeconds = 3600;

    public static Option<BenchPreset?> Preset() => OptionFactory.Word<BenchPreset?>(
        "--preset",
        "NAME",
        "Shape and kind of a well-known network: " + string.Join(", ", PresetNames()) + ".",
        "one of " + string.Join(", ", PresetNames()),
        BenchPreset.TryParse);

    /// <summary>Token counts; the value is <c>default</c> where the option was left out.</summary>
    public static Option<ImmutableArray<int>> Tokens(ImmutableArray<int> byDefault) => OptionFactory.Word<ImmutableArray<int>>(
        "--tokens",
        "LIST",
        $"Token counts; {string.Join(',', byDefault)} if left out.",
        $"whole numbers from 1 to {MaxTokens} with commas between them, such as 1,4,16",
        TryParseTokens);

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

    public static Option<double> Seconds()
    {
        Option<double> option = OptionFactory.Word(
            "--seconds",
            "S",
            "Time for each backend in each precision at each token count.",
            $"a number above 0, at most {MaxSeconds}",
            (string word, out double value) =>
                double.TryParse(word, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value) && value > 0 && value <= MaxSeconds);
        option.DefaultValueFactory = static _ => DefaultSeconds;
        return option;
    }

    private static IEnumerable<string> PresetNames() => BenchPreset.All.Select(static preset => preset.Name);

    private static bool TryParseTokens(string text, out ImmutableArray<int> tokens)
    {
        var counts = ImmutableArray.CreateBuilder<int>();
        foreach (string word in text.Split(','))
        {
            if (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int count) || count is < 1 or > MaxTokens)
            {
                tokens = [];
                return false;
            }

            counts.Add(count);
        }

        tokens = counts.ToImmutable();
        return true;
    }

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
