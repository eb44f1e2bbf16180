using System.Collections.Immutable;
using System.CommandLine;

namespace NativeFfn.Cli.Options;

/// <summary>The options of every command that opens engines, made from <see cref="FfnEngineOption"/>.</summary>
internal sealed class EngineOptionGroup
{
    // What a command may add has its own defaults and words there; the rest is for code or needs a warm-up.
    private static readonly ImmutableArray<string> Optional =
    [
        nameof(FfnEngineOptions.Backend), nameof(FfnEngineOptions.MaxResidentExperts),
        nameof(FfnEngineOptions.CudaContext), nameof(FfnEngineOptions.Autotune),
    ];

    private readonly ImmutableArray<(FfnEngineOption Engine, Option<string> Word)> _options;
    private readonly Option<ImmutableArray<FfnPrecision>>? _precisions;

    private EngineOptionGroup(
        ImmutableArray<(FfnEngineOption Engine, Option<string> Word)> options, Option<ImmutableArray<FfnPrecision>>? precisions) =>
        (_options, _precisions) = (options, precisions);

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="severalPrecisions">Whether <c>--precision</c> takes a list, for <see cref="ReadEach"/>.</param>
    /// <param name="without">Properties of <see cref="FfnEngineOptions"/> that the command does not offer.</param>
    /// <param name="also">Properties of <see cref="FfnEngineOptions"/> that not every command offers.</param>
    public static EngineOptionGroup AddTo(
        Command command, bool severalPrecisions = false, IReadOnlyCollection<string>? without = null, params IReadOnlyCollection<string> also)
    {
        var group = new EngineOptionGroup(
            [.. FfnEngineOption.All
                .Where(option => !Optional.Contains(option.Name) || also.Contains(option.Name))
                .Where(option => without?.Contains(option.Name) != true)
                .Where(option => !severalPrecisions || option.Name != nameof(FfnEngineOptions.Precision))
                .Select(static option => (option, Of(option.Name)))],
            severalPrecisions ? Precisions() : null);
        foreach ((_, Option<string> word) in group._options)
        {
            command.Add(word);
        }

        if (group._precisions is not null)
        {
            command.Add(group._precisions);
        }

        return group;
    }

    /// <summary>The option of a property of <see cref="FfnEngineOptions"/>; null where it was left out.</summary>
    public static Option<string> Of(string name)
    {
        FfnEngineOption option = FfnEngineOption.Of(name);
        return OptionFactory.Word(
            option.Switch,
            option.Placeholder,
            $"{option.Description} Default: {option.Default}.",
            option.Placeholder.Contains('|', StringComparison.Ordinal) ? "one of " + option.Allowed : option.Allowed,
            (string word, out string value) => option.TrySet(new FfnEngineOptions(), value = word, out _));
    }

    /// <summary>The engine asked for; the command may set what it offers in its own way.</summary>
    public FfnEngineOptions Read(ParseResult parsed)
    {
        var engine = new FfnEngineOptions();
        foreach ((FfnEngineOption option, Option<string> word) in _options)
        {
            // What is no value of the option was refused by the parser.
            if (parsed.GetValue(word) is { } text && option.TrySet(engine, text, out FfnEngineOptions? changed))
            {
                engine = changed;
            }
        }

        return engine;
    }

    /// <summary>The engines asked for, one for each precision in the order given.</summary>
    public ImmutableArray<FfnEngineOptions> ReadEach(ParseResult parsed)
    {
        FfnEngineOptions engine = Read(parsed);
        ImmutableArray<FfnPrecision> precisions = _precisions is null ? default : parsed.GetValue(_precisions);
        return precisions.IsDefault ? [engine] : [.. precisions.Select(precision => engine with { Precision = precision })];
    }

    private static Option<ImmutableArray<FfnPrecision>> Precisions()
    {
        FfnEngineOption option = FfnEngineOption.Of(nameof(FfnEngineOptions.Precision));
        return OptionFactory.List<FfnPrecision>(
            option.Switch,
            $"{option.Description} One or several of {option.Allowed} with commas between them. Default: {option.Default}.",
            $"one or several of {option.Allowed} with commas between them",
            Names<FfnPrecision>.TryParse);
    }
}
