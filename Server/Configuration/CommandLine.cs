using System.Collections.Immutable;
using NativeFfn.Hosting;

namespace NativeFfn.Server.Configuration;

/// <summary>A word of the command line that sets one key of the configuration.</summary>
/// <param name="Name">The word.</param>
/// <param name="Key">The key.</param>
/// <param name="Value">What stands for the value in help.</param>
/// <param name="Description">What it is for, and its default.</param>
internal sealed record CommandLineWord(string Name, string Key, string Value, string Description)
{
    /// <summary>The engine's option that this is; null for what is the server's own.</summary>
    public FfnEngineOption? Engine { get; init; }
}

/// <summary>
/// Words for the keys that are set most often; any other key is given whole, as <c>--Kestrel:Limits:MaxRequestHeaderCount=50</c>.
/// </summary>
internal static class CommandLine
{
    private const string Layers = "NativeFfn";
    private const string DefaultModel = "model";
    private const string HttpUrl = "Kestrel:Endpoints:Http:Url";
    private const string GrpcUrl = "Kestrel:Endpoints:Grpc:Url";

    // A key elsewhere would be ignored without a word.
    private static readonly string[] Sections = [Layers, ServerOptions.Section, "Kestrel", "Logging"];

    /// <summary>Every word that help lists, made from the options' own tables; a key of one's own is its name.</summary>
    public static ImmutableArray<CommandLineWord> Words { get; } =
    [
        new("--model", ModelKey(nameof(FfnModelOptions.Path)), "DIR|FILE", "The checkpoint whose layers are served."),
        new("--urls", HttpUrl, "URL", "Where HTTP is answered. Default: http://127.0.0.1:8080."),
        new("--grpc-urls", GrpcUrl, "URL", "Where gRPC is answered. Default: http://127.0.0.1:8081."),
        .. OptionTable.OfEngine.Select(static option => new CommandLineWord(
            option.Switch, $"{Layers}:{option.Name}", option.Placeholder, option.Description) { Engine = option }),
        .. OptionTable.All.Where(IsKeyAlone).Select(static option => OfKey(
            $"{Layers}:{option.Key.Replace(OptionTable.AnyModel, DefaultModel, StringComparison.Ordinal)}",
            $"{option.Description} {option.Allowed}. Default: {option.Default}.")),
        .. ServerOptionTable.Values.Select(static option => OfKey($"{ServerOptions.Section}:{option.Key}", option.Description)),
    ];

    // What the configuration calls a short word.
    private static Dictionary<string, string> ShortNames =>
        Words.Where(static word => !word.Name.Contains(ConfigurationPath.KeyDelimiter, StringComparison.Ordinal))
            .ToDictionary(static word => word.Name, static word => word.Key);

    /// <summary>Adds the arguments, which win over every other source.</summary>
    /// <exception cref="ConfigurationException">An argument is no <c>--key value</c> or <c>--key=value</c>.</exception>
    public static void Add(ConfigurationManager configuration, string[] arguments)
    {
        Dictionary<string, string> shortNames = ShortNames;
        if (UnknownIn(arguments) is { } unknown)
        {
            throw new ConfigurationException(
                $"There is no argument '{unknown}'; there are {string.Join(", ", shortNames.Keys)} and every key of " +
                "appsettings.json, as in --NativeFfn:Batching:Enabled false.");
        }

        configuration.AddCommandLine(arguments, shortNames);
    }

    /// <summary>The name of the first argument that there is not; null where all are known.</summary>
    /// <exception cref="ConfigurationException">The last one needs a value.</exception>
    public static string? UnknownIn(string[] arguments)
    {
        Dictionary<string, string> shortNames = ShortNames;
        for (int i = 0; i < arguments.Length; i++)
        {
            string argument = arguments[i];
            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? argument : argument[..equals];
            if (!shortNames.ContainsKey(name) && !IsKeyOfSection(name))
            {
                return name;
            }

            if (equals < 0 && ++i == arguments.Length)
            {
                throw new ConfigurationException($"{argument} needs a value.");
            }
        }

        return null;
    }

    // The engine's have short words, and a model's path is its own.
    private static bool IsKeyAlone(HostOption option) =>
        option.Key != OptionTable.ModelKey(nameof(FfnModelOptions.Path)) && OptionTable.OfEngine.All(engine => engine.Name != option.Key);

    private static CommandLineWord OfKey(string key, string description) => new($"--{key}", key, "VALUE", description);

    private static string ModelKey(string option) => $"{Layers}:{OptionTable.ModelKey(option, DefaultModel)}";

    private static bool IsKeyOfSection(string name) =>
        Sections.Any(section => name.StartsWith($"--{section}:", StringComparison.OrdinalIgnoreCase));
}
