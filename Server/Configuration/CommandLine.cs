namespace NativeFfn.Server.Configuration;

/// <summary>
/// Short names for the keys that are set most often; any other key is given whole, as <c>--Server:MaxRequestBytes=1048576</c>.
/// </summary>
internal static class CommandLine
{
    private static readonly Dictionary<string, string> ShortNames = new()
    {
        ["--model"] = "NativeFfn:Models:model:Path",
        ["--backend"] = "NativeFfn:Backend",
        ["--precision"] = "NativeFfn:Precision",
        ["--threads"] = "NativeFfn:Threads",
        ["--urls"] = HttpUrl,
        ["--grpc-urls"] = GrpcUrl,
    };

    // A key elsewhere would be ignored without a word.
    private static readonly string[] Sections = ["NativeFfn", ServerOptions.Section, "Kestrel", "Logging"];

    private const string HttpUrl = "Kestrel:Endpoints:Http:Url";
    private const string GrpcUrl = "Kestrel:Endpoints:Grpc:Url";

    /// <summary>Adds the arguments, which win over every other source.</summary>
    /// <exception cref="ConfigurationException">An argument is no <c>--key value</c> or <c>--key=value</c>.</exception>
    public static void Add(ConfigurationManager configuration, string[] arguments)
    {
        RequirePairs(arguments);
        configuration.AddCommandLine(arguments, ShortNames);
    }

    private static void RequirePairs(string[] arguments)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            string argument = arguments[i];
            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? argument : argument[..equals];
            if (!ShortNames.ContainsKey(name) && !IsKeyOfSection(name))
            {
                throw new ConfigurationException(
                    $"There is no argument '{argument}'; there are {string.Join(", ", ShortNames.Keys)} and every key of " +
                    "appsettings.json, as in --NativeFfn:Batching:Enabled false.");
            }

            if (equals < 0 && ++i == arguments.Length)
            {
                throw new ConfigurationException($"{argument} needs a value.");
            }
        }
    }

    private static bool IsKeyOfSection(string name) =>
        Sections.Any(section => name.StartsWith($"--{section}:", StringComparison.OrdinalIgnoreCase));
}
